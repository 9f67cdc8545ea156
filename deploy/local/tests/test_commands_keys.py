"""New keys for old ones: what was made with the one before is good until its time has passed, and running services notice."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from uuid import uuid4

import pytest
from api.auth.tokens import TokenSigner
from api.http.identity import SignedIn
from api.ui_sessions.seal import Seal, SealBroken
from maru.cli import app
from maru.errors import CannotStart
from maru.home import Home
from maru.runtime.environment import service_variables
from maru.runtime.rotating import finish, held, rotate
from maru.runtime.secrets import LocalSecrets
from shared.rotation import secret
from shared.secret_values import SecretEnvironment
from shared.storage.opening import signing_keys
from shared.testing.waiting import eventually_sync
from typer.testing import CliRunner

DSNS = dict.fromkeys(("api", "ingest", "inference"), "postgresql://x")


class Clock:
    """Time as the test tells it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    LocalSecrets.load(secrets)
    return secrets


def age(folder: Path, file: str, seconds: float) -> None:
    """As if the key had been made so long ago."""
    then = time.time() - seconds
    os.utime(folder / file, (then, then))


def test_running_services_seal_and_sign_with_the_new_key_and_know_the_one_before(folder: Path) -> None:
    clock = Clock()
    env = SecretEnvironment(service_variables({}, Home(folder.parent), LocalSecrets.load(folder), DSNS), clock=clock)
    seal, files = Seal(secret(env, "MARU_SESSION_KEY")), signing_keys(secret(env, "MARU_FILES_KEY"))
    signer = TokenSigner(secret(env, "MARU_AUTH_SIGNING_KEY"), issuer="i", audience="a")
    signed_in = SignedIn("t", "r", 1, uuid4(), None, {})
    before, first_kid = (seal.close(signed_in), files()), signer.jwk["kid"]
    for name in ("session", "files", "auth"):
        rotate(folder, name)
    clock.now += 60
    eventually_sync(lambda: files()[0] != before[1][0])
    files_now = files()
    assert seal.open(before[0])["access_token"] == "t"
    assert files_now[1] == before[1][0]
    assert signer.jwk["kid"] != first_kid
    assert first_kid in [jwk["kid"] for jwk in signer.jwks()["keys"]]
    for name in ("session", "files", "auth"):
        assert finish(folder, name, now=True) == 1
    clock.now += 60
    eventually_sync(lambda: files() == files_now[:1])
    with pytest.raises(SealBroken):
        seal.open(before[0])


def test_the_next_start_reads_what_a_rotation_wrote(folder: Path) -> None:
    before = LocalSecrets.load(folder)
    for name in ("session", "files", "auth", "callback"):
        rotate(folder, name)
    after = LocalSecrets.load(folder)
    assert after.callback_public_key != before.callback_public_key
    assert before.callback_private_key not in after.callback_private_key
    assert after.session_key.endswith(f",{before.session_key}")
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_key_is_not_forgotten_before_its_time_and_no_third_one_is_made(folder: Path) -> None:
    rotate(folder, "session")
    for early in (lambda: rotate(folder, "session"), lambda: finish(folder, "session")):
        with pytest.raises(
            CannotStart, match=r"browser sessions made with the one before are good for 31\.0 days more"
        ):
            early()
    age(folder, "session_key", 32 * 86400)
    assert finish(folder, "session") == 1
    assert finish(folder, "session") == 0
    rotate(folder, "session")
    age(folder, "session_key", 32 * 86400)
    rotate(folder, "session")
    assert [one.number for one in held(folder)] == [2, 1, 1, 1]


def test_the_command_shows_no_key_and_says_what_happens_next(folder: Path) -> None:
    def maru(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["keys", *arguments], env={"MARU_HOME": str(folder.parent)})
        assert done.exit_code == 0, done.output
        return done.output

    assert "within half a minute; when its time has passed, `maru keys finish auth`" in maru("rotate", "auth")
    assert "from the next start of Maru on." in maru("rotate", "callback")
    told = maru("list")
    assert "auth      2 keys, the newest signs" in told
    assert "1 older keys are forgotten" in maru("finish", "auth", "--now")
    assert not [
        text for path in folder.iterdir() for text in path.read_text().split() if len(text) > 20 and text in told
    ]


def test_what_is_not_there_is_said(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no key named 'passport': use session, files, auth, callback"):
        rotate(folder, "passport")
    with pytest.raises(CannotStart, match="the first start of Maru makes it"):
        held(tmp_path / "elsewhere")
