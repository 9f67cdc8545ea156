"""Which steps run before new code and which after it, on a database whose steps are made for the purpose."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from collections.abc import Callable, Generator
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from maru.commands.migrating import Migrator
from maru.errors import CannotStart
from migrations import Limits, OutOfOrder, Step, allowed, current_revision, pending
from psycopg import sql
from shared.testing.postgres import SharedPostgres

PATIENT = Limits(lock_s=0.2, statement_s=5, tries=2, pause_s=0.05)
MakeSteps = Callable[..., Path]


@pytest.fixture
def empty(shared_postgres: SharedPostgres) -> Generator[str]:
    """A database in which nothing has run."""
    name = f"p_{uuid4().hex}"
    with psycopg.connect(shared_postgres.urls("postgres").superuser, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield shared_postgres.urls(name).superuser
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def make_steps(tmp_path: Path) -> MakeSteps:
    """Writes revisions 0001, 0002, …, one for each pair of a phase and a statement."""

    def make(*pairs: tuple[str, str]) -> Path:
        for number, (phase, statement) in enumerate(pairs, 1):
            before = f'"{number - 1:04d}"' if number > 1 else "None"
            (tmp_path / f"{number:04d}_step.py").write_text(
                textwrap.dedent(
                    f'''
                    """Step {number}."""
                    from alembic import op

                    revision = "{number:04d}"
                    down_revision = {before}
                    phase = "{phase}"

                    def upgrade():
                        op.execute("""{statement}""")

                    def downgrade():
                        op.execute("SELECT 1")
                    '''
                )
            )
        return tmp_path

    return make


def run(dsn: str, versions: Path, phase: str | None = None, to: str | None = None) -> list[str]:
    return [step.revision for step in Migrator(dsn, PATIENT, versions).up(phase, to)]  # type: ignore[arg-type]


def test_what_waits_for_the_old_code_to_go_waits_and_then_runs(empty: str, make_steps: MakeSteps) -> None:
    versions = make_steps(
        ("pre", "CREATE TABLE t (old int, new int)"),
        ("pre", "CREATE INDEX ON t (new)"),
        ("post", "ALTER TABLE t DROP COLUMN old"),
    )
    assert run(empty, versions, "pre") == ["0001", "0002"]
    with psycopg.connect(empty) as old_code:
        old_code.execute("INSERT INTO t (old) VALUES (1)")
    states = [(line.step.revision, line.state) for line in Migrator(empty, PATIENT, versions).status()]
    assert states == [("0001", "done"), ("0002", "done"), ("0003", "waits")]
    assert "--phase post" in Migrator(empty, PATIENT, versions).status()[-1].why
    assert run(empty, versions, "pre") == []
    assert run(empty, versions, "post") == ["0003"]
    assert run(empty, versions) == []


def test_a_step_that_an_earlier_release_left_waiting_is_not_run_before_new_code(
    empty: str, make_steps: MakeSteps
) -> None:
    before = [("pre", "CREATE TABLE t (old int, new int)"), ("post", "ALTER TABLE t DROP COLUMN old")]
    versions = make_steps(*before)
    assert run(empty, versions, "pre") == ["0001"]
    make_steps(*before, ("pre", "ALTER TABLE t ADD newest int"), ("post", "ALTER TABLE t DROP COLUMN new"))
    migrator = Migrator(empty, PATIENT, versions)
    with pytest.raises(
        CannotStart, match=r"Step 0002 of an earlier release.*: run `maru migrate up --phase post --to 0002`"
    ):
        migrator.up("pre")
    assert migrator.current() == "0001"
    assert "blocked: Step 0002" in migrator.status()[2].why
    assert run(empty, versions, "post", "0002") == ["0002"]
    with pytest.raises(CannotStart, match=r"Step 0003 belongs before the new code"):
        migrator.up("post")
    assert run(empty, versions, "pre") == ["0003"]
    assert run(empty, versions, "post") == ["0004"]


def test_an_empty_database_has_no_old_code_to_wait_for(empty: str, make_steps: MakeSteps) -> None:
    versions = make_steps(("pre", "SELECT 1"), ("post", "SELECT 2"), ("pre", "SELECT 3"), ("post", "SELECT 4"))
    assert run(empty, versions, "pre") == ["0001", "0002", "0003"]


def test_a_step_that_fails_leaves_the_one_before_it_and_says_why(empty: str, make_steps: MakeSteps) -> None:
    versions = make_steps(
        ("pre", "CREATE TABLE first (n int)"), ("pre", "CREATE TABLE second (n int); SELECT 1 / (SELECT 0)")
    )
    with pytest.raises(CannotStart, match=r"A step failed and was undone: division by zero"):
        run(empty, versions)
    assert current_revision(empty) == "0001"
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT to_regclass('first') IS NOT NULL, to_regclass('second')").fetchone() == (
            True,
            None,
        )


def test_a_step_does_not_queue_everybody_up_behind_a_long_transaction(empty: str, make_steps: MakeSteps) -> None:
    versions = make_steps(("pre", "CREATE TABLE t (n int)"), ("pre", "ALTER TABLE t ADD m int"))
    run(empty, versions, to="0001")
    with psycopg.connect(empty) as somebody:
        somebody.execute("SELECT count(*) FROM t")
        with pytest.raises(CannotStart, match="did not get its locks"):
            run(empty, versions)
        # Nobody waits behind the step that gave up.
        with psycopg.connect(empty) as another:
            another.execute("INSERT INTO t VALUES (1)")
    assert run(empty, versions) == ["0002"]


def test_a_step_that_takes_too_long_is_undone(empty: str, make_steps: MakeSteps) -> None:
    versions = make_steps(("pre", "SELECT pg_sleep(60)"))
    with pytest.raises(CannotStart, match="longer than its limit"):
        Migrator(empty, Limits(statement_s=0.1), versions).up()
    assert current_revision(empty) is None


def test_two_who_migrate_at_once_run_each_step_once(empty: str, make_steps: MakeSteps) -> None:
    versions = make_steps(("pre", "CREATE TABLE t (n int)"), ("pre", "INSERT INTO t VALUES (1); SELECT pg_sleep(0.3)"))
    code = (
        "import sys; from pathlib import Path; from maru.commands.migrating import Migrator; from migrations import Limits; "
        "Migrator(sys.argv[1], Limits(), Path(sys.argv[2])).up()"
    )
    argv = [sys.executable, "-c", code, empty, str(versions)]
    for process in [subprocess.Popen(argv, stderr=subprocess.PIPE) for _ in range(2)]:
        _, said = process.communicate(timeout=120)
        assert process.returncode == 0, said.decode()[-2000:]
    with psycopg.connect(empty) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (1,)


def test_a_step_that_names_no_known_phase_is_an_error_of_ours(empty: str, make_steps: MakeSteps) -> None:
    with pytest.raises(ValueError, match="phase = 'later'"):
        run(empty, make_steps(("later", "SELECT 1")))


CHAINS = st.lists(st.sampled_from(["pre", "post"]), min_size=1, max_size=8).map(
    lambda phases: [Step(f"{n:04d}", phase, "") for n, phase in enumerate(phases, 1)]  # type: ignore[arg-type]
)


@given(CHAINS, st.data())
def test_whoever_follows_the_advice_reaches_the_end_without_ever_mixing_phases(
    steps: list[Step], data: st.DataObject
) -> None:
    current: str | None = data.draw(st.sampled_from([None, *(step.revision for step in steps)]))
    for phase in ["pre", "post"] * (2 * len(steps)):
        asked, running = follow(steps, current, phase)
        assert running == pending(steps, current)[: len(running)]
        if current is not None:
            assert {step.phase for step in running} <= {asked}
        current = running[-1].revision if running else current
    assert pending(steps, current) == []


def follow(steps: list[Step], current: str | None, phase: str) -> tuple[str, list[Step]]:
    """What runs in the end, when whoever is refused does what the refusal says."""
    to: str | None = None
    for _ in range(3):
        try:
            return phase, allowed(pending(steps, current, to), phase, fresh=current is None)  # type: ignore[arg-type]
        except OutOfOrder as refused:
            advice = re.search(r"--phase (pre|post)(?: --to (\d+))?", str(refused))
            assert advice is not None
            phase, to = advice[1], advice[2]
    pytest.fail("the advice leads in a circle")
