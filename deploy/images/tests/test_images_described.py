"""What can be said of the images without building them."""

from __future__ import annotations

import re
from datetime import date

import pytest

from deploy.images import debian
from deploy.images.catalogue import IMAGES, ROOT, Image
from deploy.images.index import index_secrets, pip_conf

_EVERY = pytest.mark.parametrize("image", IMAGES.values(), ids=list(IMAGES))


@_EVERY
def test_a_dockerfile_takes_its_own_lock_by_hash_and_names_no_address(image: Image) -> None:
    text = (ROOT / image.dockerfile).read_text()
    assert set(re.findall(r"locks/([\w-]+)\.txt", text)) == {image.name}
    assert "--require-hashes" in text
    assert "://" not in text
    assert image.lock.is_file()


@_EVERY
def test_a_dockerfile_copies_no_more_than_the_image_is_said_to_hold(image: Image) -> None:
    copied = re.findall(r"^COPY (?!--from)(.*) /app/(\w+)", (ROOT / image.dockerfile).read_text(), re.MULTILINE)
    assert {target for _, target in copied} - {"probe"} == image.ours
    for sources, _ in copied:
        for source in sources.split():
            assert (ROOT / source).exists(), source


def test_every_dockerfile_says_the_same_about_what_all_images_share() -> None:
    """One layer under all of them: hosts pull it once, and it is mended in one place or in none."""
    shared = {
        _between((ROOT / image.dockerfile).read_text(), "\n# Nothing is installed into", "COPY|# With a name")
        for image in IMAGES.values()
    }
    assert len(shared) == 1


def test_only_what_images_need_can_enter_a_build() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*", "what is not named stays outside"
    named = [line[1:] for line in lines if line.startswith("!")]
    assert not [one for one in named if one.startswith((".", "*"))]
    assert "shared/src/shared/testing" in lines
    assert "**/tests" in lines


def test_an_index_of_one_s_own_reaches_the_build_as_a_file_that_nobody_else_reads() -> None:
    env = {"PIP_INDEX_URL": "https://packages.example/simple", "PIP_CERT": str(ROOT / "pyproject.toml")}
    with index_secrets(env) as secrets:
        assert secrets.pip.stat().st_mode & 0o077 == 0
        assert "index-url = https://packages.example/simple" in secrets.pip.read_text()
        assert "cert = /run/secrets/ca" in secrets.pip.read_text()
        assert not [word for word in secrets.arguments() if "packages.example" in word]
    assert not secrets.pip.exists()


def test_uv_s_variable_for_an_index_is_understood_and_pip_s_wins() -> None:
    both = {"UV_DEFAULT_INDEX": "https://uv.example/simple", "PIP_INDEX_URL": "https://pip.example/simple"}
    assert "https://pip.example/simple" in pip_conf(both, own_certificates=False)
    assert "uv.example" not in pip_conf(both, own_certificates=False)
    assert "https://uv.example/simple" in pip_conf(
        {"UV_DEFAULT_INDEX": both["UV_DEFAULT_INDEX"]}, own_certificates=False
    )


def test_without_an_index_of_one_s_own_nothing_is_configured() -> None:
    assert pip_conf({}, own_certificates=False).strip() == "[global]"


def test_the_base_is_made_anew_each_week_and_not_in_between() -> None:
    monday, sunday, next_monday = date(2026, 3, 2), date(2026, 3, 8), date(2026, 3, 9)
    assert debian.tag(monday) == debian.tag(sunday)
    assert debian.tag(sunday) != debian.tag(next_monday)


def _between(text: str, start: str, end: str) -> str:
    after = text.split(start, 1)[1]
    return re.split(f"^(?:{end})", after, maxsplit=1, flags=re.MULTILINE)[0]
