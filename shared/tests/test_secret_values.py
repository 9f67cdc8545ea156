"""Variables that name secrets, against Secret Manager on the wire and real files; time is a number that the test turns."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import pytest
from shared.rotation import Derived, Rotating, current, renewed, secret
from shared.secret_values import SecretEnvironment, SecretUnreadable, resolved
from shared.testing.google_peer import GooglePeer, run_google_peer
from shared.testing.ports import free_ports
from shared.testing.waiting import eventually

PROJECT = "maru-tests"
VALUE = "dear-diary"


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def google() -> Generator[GooglePeer]:
    with run_google_peer() as peer:
        yield peer


@pytest.fixture
def peer(google: GooglePeer) -> Generator[GooglePeer]:
    yield google
    google.faults.clear()
    google.secrets.corrupt = False


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A secret of this test alone."""
    return "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:200]


def environment(peer: GooglePeer, clock: Clock | None = None, **variables: str) -> SecretEnvironment:
    env = {**peer.env, "GOOGLE_CLOUD_PROJECT": PROJECT, **variables}
    return SecretEnvironment(env, clock=clock or Clock())


def test_each_form_of_a_name_is_understood(peer: GooglePeer, name: str) -> None:
    peer.secrets.add(PROJECT, name, "one")
    peer.secrets.add(PROJECT, name, "two\n")
    peer.secrets.add("other-project", name, "elsewhere")
    env = environment(
        peer,
        PINNED=f"sm://{name}/1",
        NEWEST=f"sm://{name}",
        SAID=f"sm://{name}/latest",
        FULL=f"sm://projects/other-project/secrets/{name}/versions/1",
        FULL_NEWEST=f"sm://projects/other-project/secrets/{name}",
        PLAIN="as it stands",
    )
    assert {variable: env[variable] for variable in ("PINNED", "NEWEST", "SAID", "FULL", "FULL_NEWEST", "PLAIN")} == {
        "PINNED": "one",
        "NEWEST": "two",
        "SAID": "two",
        "FULL": "elsewhere",
        "FULL_NEWEST": "elsewhere",
        "PLAIN": "as it stands",
    }
    assert env.get("MISSING") is None
    assert "PINNED" in env


async def test_a_pinned_version_stays_and_the_newest_is_followed(peer: GooglePeer, name: str) -> None:
    clock = Clock()
    peer.secrets.add(PROJECT, name, "one")
    env = environment(peer, clock, PINNED=f"sm://{name}/1", NEWEST=f"sm://{name}")
    newest = secret(env, "NEWEST")
    assert isinstance(newest, Rotating)
    assert secret(env, "PINNED") == "one"
    peer.secrets.add(PROJECT, name, "two")
    asked = len(peer.secrets.accessed)
    clock.now += 299
    assert current(newest) == "one"
    assert len(peer.secrets.accessed) == asked
    clock.now += 1
    # Whoever notices that it is time does not wait.
    assert current(newest) == "one"
    await eventually(lambda: current(newest) == "two")
    assert env["PINNED"] == "one"
    assert env["NEWEST"] == "two"
    assert len(peer.secrets.accessed) == asked + 1


async def test_a_refused_value_is_read_again_at_once_but_not_in_a_row(peer: GooglePeer, name: str) -> None:
    clock = Clock()
    peer.secrets.add(PROJECT, name, "one")
    newest = secret(environment(peer, clock, KEY=f"sm://{name}"), "KEY")
    clock.now += 10
    assert not await renewed(newest, "one")
    peer.secrets.add(PROJECT, name, "two")
    asked = len(peer.secrets.accessed)
    assert not await renewed(newest, "one")
    assert len(peer.secrets.accessed) == asked
    clock.now += 10
    assert await renewed(newest, "one")
    assert current(newest) == "two"
    # Somebody else whose request was refused with the old value learns it without another reading.
    assert await renewed(newest, "one")
    assert len(peer.secrets.accessed) == asked + 1


@pytest.mark.parametrize("status", ["UNAVAILABLE", "INTERNAL", "PERMISSION_DENIED", "NOT_FOUND"])
async def test_the_last_good_value_outlives_trouble(
    peer: GooglePeer, name: str, status: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = Clock()
    peer.secrets.add(PROJECT, name, "one")
    newest = secret(environment(peer, clock, KEY=f"sm://{name}"), "KEY")
    peer.secrets.add(PROJECT, name, "two")
    peer.fault("AccessSecretVersion", times=1000, status=status)
    clock.now += 300
    with caplog.at_level(logging.WARNING, "shared.secret_values"):
        await eventually(lambda: current(newest) and caplog.records, within=30)
    assert current(newest) == "one"
    peer.faults.clear()
    # Tried again sooner than it would have been without trouble.
    clock.now += 31
    await eventually(lambda: current(newest) == "two")
    assert not any(value in caplog.text for value in ("one", "two"))


def test_a_moment_of_trouble_at_the_start_is_sat_out(peer: GooglePeer, name: str) -> None:
    peer.secrets.add(PROJECT, name, VALUE)
    peer.fault("AccessSecretVersion", times=2, status="UNAVAILABLE")
    assert environment(peer, KEY=f"sm://{name}")["KEY"] == VALUE


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        pytest.param("missing", "does not exist", id="missing"),
        pytest.param("denied", "roles/secretmanager.secretAccessor", id="denied"),
        pytest.param("DISABLED", "disabled or destroyed", id="disabled"),
        pytest.param("DESTROYED", "disabled or destroyed", id="destroyed"),
        pytest.param("corrupt", "damaged", id="damaged"),
        pytest.param("binary", "not text", id="binary"),
        pytest.param("stall", "does not answer", id="stalled"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(peer: GooglePeer, name: str, prepare: str, said: str) -> None:
    if prepare != "missing":
        version = peer.secrets.add(PROJECT, name, b"\xff\xfe" if prepare == "binary" else VALUE)
        if prepare in {"DISABLED", "DESTROYED"}:
            peer.secrets.set_state(version, prepare)  # type: ignore[arg-type]
    if prepare == "denied":
        peer.fault("AccessSecretVersion", times=9, status="PERMISSION_DENIED")
    if prepare == "stall":
        peer.fault("AccessSecretVersion", times=9, stall_s=60)
    peer.secrets.corrupt = prepare == "corrupt"
    env = environment(peer, API_KEY=f"sm://{name}", OTHER="1")
    with pytest.raises(SecretUnreadable, match=said) as raised:
        env["API_KEY"]
    assert "API_KEY" in str(raised.value)
    assert VALUE not in str(raised.value)
    # Others are served.
    assert env["OTHER"] == "1"


def test_secret_manager_being_away_is_said_in_a_sentence() -> None:
    env = {"SECRET_MANAGER_EMULATOR_HOST": f"127.0.0.1:{free_ports(1)[0]}", "GOOGLE_CLOUD_PROJECT": PROJECT}
    with pytest.raises(SecretUnreadable, match="does not answer"):
        SecretEnvironment({**env, "KEY": "sm://key"})["KEY"]


@pytest.mark.parametrize(
    ("value", "project", "said"),
    [
        pytest.param("sm://", PROJECT, "sm://NAME", id="nothing"),
        pytest.param("sm://a/b/c", PROJECT, "sm://NAME", id="too-much"),
        pytest.param("sm://projects/p/keys/k", PROJECT, "sm://NAME", id="no-secret"),
        pytest.param("sm://a b", PROJECT, "sm://NAME", id="blank"),
        pytest.param("sm://key", "", "GOOGLE_CLOUD_PROJECT", id="no-project"),
    ],
)
def test_a_name_that_cannot_be_is_refused(value: str, project: str, said: str) -> None:
    with pytest.raises(SecretUnreadable, match=said):
        SecretEnvironment({"KEY": value, "GOOGLE_CLOUD_PROJECT": project})["KEY"]


async def test_all_secrets_of_a_process_are_read_at_the_same_time(peer: GooglePeer, name: str) -> None:
    for number in range(8):
        peer.secrets.add(PROJECT, f"{name}-{number}", str(number))
    called, accessed = peer.calls["AccessSecretVersion"], len(peer.secrets.accessed)
    peer.fault("AccessSecretVersion", times=8, stall_s=2.5)
    names = {f"KEY_{number}": f"sm://{name}-{number}" for number in range(8)}
    opening = asyncio.create_task(asyncio.to_thread(environment, peer, **names))
    await eventually(lambda: peer.calls["AccessSecretVersion"] == called + 8)
    # One after the other, the last would be asked for when the others have been answered.
    assert len(peer.secrets.accessed) < accessed + 7
    env = await opening
    assert [env[variable] for variable in names] == list("01234567")


async def test_a_file_is_followed_when_it_is_replaced(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "key"
    path.write_text("one\n")
    env = SecretEnvironment({"KEY": f"file://{path}"}, clock=clock)
    key = secret(env, "KEY")
    assert current(key) == "one"
    newer = tmp_path / "newer"
    newer.write_text("two")
    newer.replace(path)
    clock.now += 60
    await eventually(lambda: current(key) == "two")
    path.unlink()
    clock.now += 60
    assert current(key) == "two"
    await renewed(key, "two")
    assert current(key) == "two"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "cannot be read", id="missing"),
        pytest.param(b"\xff", "not text", id="binary"),
        pytest.param(b"x" * 70_000, "larger than", id="large"),
    ],
)
def test_a_file_that_is_no_secret_is_said_in_a_sentence(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "key"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SecretUnreadable, match=said):
        SecretEnvironment({"KEY": f"file://{path}"})["KEY"]


def test_an_environment_without_secrets_is_left_alone() -> None:
    env = {"KEY": "plain", "PAGE": "https://example.org"}
    assert resolved(env) is env
    assert secret(env, "KEY") == "plain"
    assert secret(env, "MISSING") == ""


def test_values_show_in_no_representation(peer: GooglePeer, name: str) -> None:
    peer.secrets.add(PROJECT, name, VALUE)
    env = environment(peer, KEY=f"sm://{name}")
    assert VALUE not in repr(env) + repr(secret(env, "KEY")) + str(secret(env, "KEY"))


def test_what_is_made_of_a_secret_survives_a_mistyped_one(caplog: pytest.LogCaptureFixture) -> None:
    now = ["1"]
    derived = Derived(lambda: now[0], int)
    assert derived.get() == 1
    now[0] = VALUE
    assert derived.get() == 1
    assert VALUE not in caplog.text
    assert "former one stays" in caplog.text
    now[0] = "3"
    assert derived.get() == 3


def test_nothing_is_loaded_where_nothing_is_secret() -> None:
    program = (
        "import json, os, sys; from shared.secret_values import process_environment as p; e = p();"
        "print(json.dumps([e is os.environ, [m for m in sys.modules if m.split('.')[0] in ('google', 'grpc')]]))"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == [True, []]
