"""The parts of `maru up` that need nothing running."""

from __future__ import annotations

import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from maru.errors import CannotStart
from maru.home import Home
from maru.runtime import overview
from maru.runtime.environment import ports, read_service_env, service_variables, web_app_variables, write_service_env
from maru.runtime.probe import status_of
from maru.runtime.secrets import LocalSecrets
from shared.rotation import current
from shared.secret_values import resolved
from shared.settings import AuthSettings, CallbackSettings, DatabaseSettings, StorageSettings

DSNS = {service: f"postgresql://maru_{service}@/maru?host=/tmp/x" for service in ("api", "ingest", "inference")}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.prepare()
    return home


def test_secrets_are_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    first = LocalSecrets.load(tmp_path)
    assert LocalSecrets.load(tmp_path) == first
    assert first.callback_private_key != first.auth_signing_key
    for path in tmp_path.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_a_secret_that_was_cut_off_in_the_middle_of_writing_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "files_key.new").write_text("half")
    assert len(LocalSecrets.load(tmp_path).files_key) > 30


def test_one_home_is_locked_by_one_process(home: Home) -> None:
    home.lock()
    assert Home(home.folder).owner() == os.getpid()
    with pytest.raises(CannotStart, match=f"process {os.getpid()}"):
        Home(home.folder).lock()
    home.unlock()
    assert Home(home.folder).owner() is None


def test_a_lock_ends_with_its_process_however_it_ends(home: Home) -> None:
    code = f"import os; from pathlib import Path; from maru.home import Home; h = Home(Path({str(home.folder)!r})); h.lock(); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    home.lock()
    home.unlock()


def test_a_full_disk_is_said_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match=r"MiB left and Maru needs 999999999: free some space"):
        Home(tmp_path / "home", room_needed_mib=999_999_999).prepare()


def test_a_home_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match=r"cannot be written \(not a directory\)"):
        Home(tmp_path / "file" / "home").prepare()


def test_the_services_take_what_is_made_for_them(home: Home) -> None:
    secrets = LocalSecrets.load(home.secrets)
    env = resolved(service_variables({}, home, secrets, DSNS))
    auth = AuthSettings.from_env(env)
    assert auth.signing_key is not None
    assert current(auth.signing_key).splitlines() == secrets.auth_signing_key.splitlines()
    assert current(auth.session_seal_key) == secrets.session_key
    assert CallbackSettings.from_env(env, "x").public_key_pem.splitlines() == secrets.callback_public_key.splitlines()
    assert DatabaseSettings.from_env(env, "api").dsn == DSNS["api"]
    assert current(StorageSettings.from_env(env).signing_key) == secrets.files_key


def test_what_the_person_set_wins(home: Home) -> None:
    env = service_variables(
        {"MARU_API_PORT": "9000", "MARU_FILES_KEY": "mine"}, home, LocalSecrets.load(home.secrets), DSNS
    )
    assert env["MARU_API_URL"] == "http://127.0.0.1:9000"
    assert env["MARU_FILES_KEY"] == "mine"


def test_the_web_app_gets_addresses_and_no_secret(home: Home) -> None:
    env = {
        "OPENAI_API_KEY": "sk-1",
        "R2_SECRET_KEY": "r2",
        "PATH": "/bin",
        "LANG": "ko_KR.UTF-8",
        "DATABASE_URL": "postgresql://x",
    }
    variables = service_variables(env, home, LocalSecrets.load(home.secrets), DSNS)
    given_to_it = web_app_variables(env, variables)
    assert given_to_it["MARU_API_URL"] == "http://127.0.0.1:8000"
    known = {*env.values(), *variables.values()} - {
        "/bin",
        "ko_KR.UTF-8",
        variables["MARU_API_URL"],
        variables["MARU_INFERENCE_URL"],
        variables["MARU_UI_PORT"],
    }
    assert not known & set(given_to_it.values())


plain_text = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\u2028\u2029\x85"), max_size=60)


@given(st.dictionaries(st.from_regex(r"[A-Z][A-Z0-9_]{0,20}", fullmatch=True), plain_text, max_size=5))
def test_the_file_of_variables_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]
) -> None:
    path = tmp_path_factory.mktemp("env") / "service.env"
    write_service_env(path, variables)
    assert read_service_env(path) == variables
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_values_that_need_no_quotes_have_none(home: Home, tmp_path: Path) -> None:
    variables = service_variables({}, home, LocalSecrets.load(home.secrets), DSNS)
    write_service_env(tmp_path / "service.env", variables)
    for line in (tmp_path / "service.env").read_text().splitlines():
        name, _, value = line.partition("=")
        assert value == variables[name]
        assert shlex.split(value) in ([value], [])


def test_a_missing_file_of_variables_is_empty(tmp_path: Path) -> None:
    assert read_service_env(tmp_path / "none") == {}


@pytest.mark.parametrize("text", ["x", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CannotStart, match="MARU_INGEST_PORT"):
        ports({"MARU_INGEST_PORT": text})


async def test_a_probe_of_nothing_is_0() -> None:
    assert await status_of("127.0.0.1", 1, "/", timeout_s=1) == 0


def test_the_table_names_what_switches_each_engine_and_hides_passwords(home: Home) -> None:
    env = {"DATABASE_URL": "postgresql://me:secret@db.example:5432/maru?sslmode=require", "OPENAI_API_KEY": "sk-secret"}
    variables = service_variables(env, home, LocalSecrets.load(home.secrets), DSNS)
    rows = {row.what: row for row in overview.rows(env, home, variables, ui=True, workers=0)}
    assert rows["database"].where == "postgresql://db.example:5432/maru"
    assert rows["vectors"].engine.startswith("embedded")
    for switch in (
        "DATABASE_URL",
        "QDRANT_URL",
        "R2_ENDPOINT",
        "SUPABASE_URL",
        "OPENAI_API_KEY",
        "GOOGLE_CLOUD_PROJECT",
    ):
        assert any(switch in row.switch for row in rows.values()), switch
    assert "secret" not in str(rows)
