"""What is in each image, and what is not."""

from __future__ import annotations

import os
import re
import stat
from importlib.metadata import Distribution
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.images.tests.opened import Opened

pytestmark = pytest.mark.images

_TOOLS = re.compile(
    r"(pip|pip3|pip\d[\d.]*|uv|uvx|easy_install|gcc|g\+\+|cc|c\+\+|cpp|ld|as|make|cmake|rustc|cargo|go|git|npm|curl|wget)$"
)
_UNCHECKED = 0b01


def test_it_starts_as_nobody_with_rights(built: Opened) -> None:
    uid = built.config.user.split(":")[0]
    assert uid.isdecimal(), "a host that forbids root can only see it of a number"
    assert int(uid) >= 10_000


def test_nothing_in_it_may_run_with_the_rights_of_somebody_else_and_be_changed_by_its_user(built: Opened) -> None:
    uid = int(built.config.user.split(":")[0])
    owned = [
        path
        for folder in ("app", "opt")
        for path in (built.root / folder).rglob("*")
        if path.lstat().st_uid == uid or (not path.is_symlink() and path.lstat().st_mode & stat.S_IWOTH)
    ]
    assert owned == []


def test_it_starts_its_service_without_a_shell_or_an_installer(built: Opened) -> None:
    assert built.config.command[:2] == ("python", "-m")
    assert built.config.command[2] in built.image.ours
    assert int(built.config.env.get("PORT", "8080")) > 1024


def test_it_says_what_it_is(built: Opened) -> None:
    labels = built.config.labels
    assert labels["org.opencontainers.image.title"].startswith("Maru ")
    assert labels["org.opencontainers.image.version"] == built.config.env["MARU_VERSION"]
    assert re.fullmatch(r"[0-9a-f]{40}|unknown", labels["org.opencontainers.image.revision"])


def test_neither_variables_nor_history_nor_files_tell_where_packages_came_from(built: Opened) -> None:
    given = [
        os.environ.get(name) for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_URL")
    ]
    hosts = {host for url in given if url and (host := urlsplit(url).hostname)}
    told = "\n".join([*built.config.env, *built.config.env.values(), *built.config.history])
    for word in ("index-url", "INDEX_URL", "find-links", "PIP_CERT", *hosts):
        assert word not in told
    for place in ("etc/pip.conf", "run/secrets", "root/.cache", "root/.config", "locks"):
        assert not (built.root / place).is_file(), place
        assert list((built.root / place).rglob("*")) == []


def test_it_can_neither_install_nor_compile(built: Opened) -> None:
    folders = ("usr/local/bin", "usr/local/sbin", "usr/bin", "usr/sbin", "bin", "sbin", "opt/maru/bin")
    tools = {name.name for folder in folders for name in (built.root / folder).glob("*") if _TOOLS.match(name.name)}
    assert tools == set()
    missing = built.python(
        "import importlib.util as u; print([n for n in ('pip', 'uv', 'ensurepip') if u.find_spec(n) and u.find_spec(n).origin])"
    )
    assert missing == "[]"


def test_of_other_people_it_holds_exactly_what_its_lock_names(built: Opened) -> None:
    held = {
        canonicalize_name(found.metadata["Name"]): found.version
        for found in Distribution.discover(path=[str(built.site)])
    }
    assert held == _locked(built)


def test_of_ours_it_holds_only_what_it_runs(built: Opened) -> None:
    app = built.root / "app"
    folders = {entry.name for entry in app.iterdir() if entry.is_dir()} - {"__pycache__"}
    assert folders == built.image.ours
    assert {entry.name for entry in app.iterdir() if entry.is_file()} <= {"probe.py"}
    private = [path for path in app.rglob("*") if path.name in {"tests", "testing", "conftest.py", ".env", ".git"}]
    assert private == []


def test_it_holds_no_keys_and_no_data(built: Opened) -> None:
    suspicious = [
        path
        for folder in ("app", "home", "root", "srv", "work", "tmp", "var/tmp")
        for path in (built.root / folder).rglob("*")
        if path.suffix in {".pem", ".key", ".env", ".db", ".sqlite"}
        or path.name in {".netrc", ".pypirc", "id_rsa", "service.env"}
    ]
    assert suspicious == []


def test_every_module_in_it_is_compiled_for_good(built: Opened) -> None:
    """Bytecode that compares times is worthless once a copy has changed them, and on a read-only root it is never made again."""
    sources = built.sources()
    assert len(sources) > 500
    unfit = [str(path.relative_to(built.root)) for path in sources if not _compiled_for_good(path)]
    assert unfit == []


def test_no_module_is_compiled_when_it_starts(built: Opened) -> None:
    module = built.config.command[2]
    done = built.run(
        ["python", "-v", "-c", f"import {module}, {module}.__main__" if module == "worker" else f"import {module}"]
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert re.search(r"code object from '.*\.pyc'", done.stderr)
    assert re.findall(r"code object from '.*\.py'", done.stderr) == []


def _compiled_for_good(path: Path) -> bool:
    for bytecode in (path.parent / "__pycache__").glob(f"{path.stem}.cpython-3*.pyc"):
        with bytecode.open("rb") as opened:
            return int.from_bytes(opened.read(8)[4:], "little") == _UNCHECKED
    return False


def _locked(built: Opened) -> dict[str, str]:
    version = built.site.parent.name.removeprefix("python")
    python = {"python_version": version, "python_full_version": f"{version}.0"}
    lines = re.findall(r"^([A-Za-z0-9][^\\\n]*?)\s*\\?$", built.image.lock.read_text(), re.MULTILINE)
    wanted = [Requirement(line) for line in lines]
    return {
        canonicalize_name(one.name): next(iter(one.specifier)).version
        for one in wanted
        if one.marker is None or one.marker.evaluate(python)
    }
