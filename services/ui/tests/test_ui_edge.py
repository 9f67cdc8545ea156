"""The document's rewriting, the policy, cookies and settings, without a server."""

import base64
import hashlib

import pytest
from ui.core.cookies import session_handle
from ui.core.settings import UiSettings
from ui.edge.middleware import content_policy, identified
from ui.edge.shell import rewrite, script_hashes
from ui.parts.account import browser_name

_PAGE = b"""<html lang="en"><head><link rel="shortcut icon" href="./favicon.png" /><title>Streamlit</title>
<script>window.a = 1</script><script type="module" src="./x.js"></script></head>
<body><noscript><p>You need\nJavaScript</p></noscript><div id="root"></div></body></html>"""


def test_the_policy_allows_exactly_the_inline_scripts_that_are_there() -> None:
    digest = base64.b64encode(hashlib.sha256(b"window.a = 1").digest()).decode()
    assert script_hashes(_PAGE) == [f"'sha256-{digest}'"]
    policy = content_policy(("https://files.example",), script_hashes(_PAGE))
    assert f"script-src 'self' blob: 'sha256-{digest}';" in policy
    assert "connect-src 'self' https://files.example;" in policy


def test_the_document_becomes_ours() -> None:
    page = rewrite(_PAGE, "ko", "abc").decode()
    assert '<html lang="ko"' in page
    assert "<title>Maru</title>" in page
    assert "./assets/maru.css?v=abc" in page
    assert "favicon.png" not in page
    assert "JavaScript" not in page
    assert '<script type="module" src="./assets/js/press.js"></script>' in page
    assert page.count("<script") == 3


def test_an_unknown_document_passes_unharmed() -> None:
    assert rewrite(b"<p>nothing to find</p>", "en", "v") == b"<p>nothing to find</p>"


@pytest.mark.parametrize(
    ("cookies", "handle"),
    [
        ({}, None),
        ({"maru_session": "a"}, "a"),
        ({"__Host-maru": "b", "maru_session": "a"}, "b"),
        ({"maru_session": ""}, None),
    ],
)
def test_the_host_bound_cookie_comes_first(cookies: dict[str, str], handle: str | None) -> None:
    assert session_handle(cookies) == handle


def test_a_claimed_identity_is_replaced_by_the_cookies() -> None:
    scope = {"type": "websocket", "headers": [(b"x-ws-user", b"forged"), (b"cookie", b"maru_session=h")]}
    names = [value for name, value in identified(scope)["headers"] if name == b"x-ws-user"]
    assert names == [hashlib.sha256(b"h").hexdigest().encode()]
    assert identified({"type": "websocket", "headers": [(b"x-ws-user", b"forged")]})["headers"] == []


def test_settings_have_defaults_for_one_machine() -> None:
    settings = UiSettings.from_env({})
    assert settings.public_api_url == settings.api_url == "http://127.0.0.1:8000"
    assert settings.port == 8501
    assert settings.inference_url == "http://127.0.0.1:8002"


def test_the_browser_may_reach_the_public_address_and_named_storage_only() -> None:
    env = {
        "MARU_API_URL": "http://api.internal:8000/",
        "MARU_PUBLIC_API_URL": "https://api.example/",
        "MARU_STORAGE_ORIGINS": "https://r2.example https://api.example",
        "PORT": "9000",
    }
    settings = UiSettings.from_env(env)
    assert settings.storage_origins == ("https://api.example", "https://r2.example")
    assert (settings.api_url, settings.port) == ("http://api.internal:8000", 9000)


@pytest.mark.parametrize(
    ("given", "shown"),
    [("https://work.maru.example/", "https://work.maru.example"), ("", "http://127.0.0.1:8002")],
)
def test_the_address_for_workers_is_shown_as_it_was_given(given: str, shown: str) -> None:
    assert UiSettings.from_env({"MARU_INFERENCE_URL": given}).inference_url == shown


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605 Version/17 Safari/605", "Safari · macOS"),
        ("Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537 Chrome/156 Safari/537 Edg/156", "Edge · Windows"),
        ("Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/140.0", "Firefox · Linux"),
        ("curl/8", ""),
    ],
)
def test_a_browser_is_named_in_two_words(agent: str, name: str) -> None:
    assert browser_name(agent) == name
