"""A release, step by step, against stand-ins of `gcloud` and `maru smoke` that refuse what they do not know."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from cloud_cli import SERVICES, Cli, images

TRY_CANDIDATES = (
    "maru smoke https://candidate---api.example --inference-url=https://candidate---inference.example "
    "--ui-url=https://candidate---ui.example"
)
TRY_PEOPLES = "maru smoke https://api.example --inference-url=https://inference.example --ui-url=https://ui.example"
PRE = "gcloud run jobs execute migrate --args=migrate,up,--phase,pre --wait --quiet"
POST = "gcloud run jobs execute migrate --args=migrate,up,--phase,post --wait --quiet"


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli.install(tmp_path)


def place(name: str, letter: str) -> str:
    return f"gcloud run services update {name} --image={images(letter)[name]} --no-traffic --tag=candidate --quiet"


def move(name: str, number: int, previous: int) -> str:
    to = f"{name}-{number:05}=100"
    return f"gcloud run services update-traffic {name} --to-revisions={to} --update-tags=previous={name}-{previous:05} --quiet"


def serving(number: int) -> dict[str, dict[str, int]]:
    return {name: {f"{name}-{number:05}": 100} for name in SERVICES}


def job(letter: str) -> str:
    return f"gcloud run jobs update migrate --image={images(letter)['operator']} --quiet"


def test_a_release_grows_the_schema_tries_beside_moves_tries_again_and_tidies_the_schema(cli: Cli) -> None:
    done = cli.deploy("a")
    assert done.returncode == 0, done.stderr
    assert cli.calls == [
        job("a"),
        PRE,
        *(place(name, "a") for name in SERVICES),
        TRY_CANDIDATES,
        *(move(name, 2, 1) for name in SERVICES),
        TRY_PEOPLES,
        job("a"),
        POST,
    ]
    assert cli.serving() == serving(2)


def test_a_schema_that_cannot_grow_stops_the_release_before_any_new_code(cli: Cli) -> None:
    cli.change(faults=[PRE])
    assert cli.deploy("a").returncode == 1
    assert cli.calls == [job("a"), PRE]


def test_a_revision_that_does_not_start_stops_the_release_before_anybody_is_sent_to_it(cli: Cli) -> None:
    cli.change(faults=["gcloud run services update api"])
    assert cli.deploy("a").returncode == 1
    assert cli.calls[-1] == place("api", "a")
    assert cli.serving() == serving(1)


def test_candidates_that_do_not_work_get_no_traffic(cli: Cli) -> None:
    cli.change(smoke=[1])
    done = cli.deploy("a")
    assert done.returncode == 1
    assert "nobody was sent to them" in done.stderr
    assert cli.calls[-1] == TRY_CANDIDATES
    assert cli.serving() == serving(1)


def test_a_release_that_fails_with_peoples_traffic_is_taken_back_and_the_schema_not_tidied(cli: Cli) -> None:
    assert cli.deploy("a").returncode == 0
    cli.forget()
    cli.change(smoke=[0, 1])
    done = cli.deploy("b")
    assert done.returncode == 1
    assert cli.serving() == serving(2)
    assert POST not in cli.calls
    assert cli.calls[-4:] == [move(name, 2, 1) for name in reversed(SERVICES)]
    assert all(service["tags"]["previous"].endswith("00001") for service in cli.state["services"].values())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["cancelled", "ctrl-c"])
def test_a_release_that_is_called_off_while_people_are_on_it_is_taken_back(cli: Cli, number: signal.Signals) -> None:
    cli.change(smoke=[0, "hang"])
    release = cli.start("a")
    assert release.stdout is not None
    assert release.stdout.readline() == "hanging\n"
    release.send_signal(number)
    assert release.wait(timeout=120) == 130
    assert cli.serving() == serving(1)
    assert POST not in cli.calls


def test_traffic_that_cannot_be_moved_everywhere_is_put_back_everywhere(cli: Cli) -> None:
    cli.change(faults=["gcloud run services update-traffic api"])
    done = cli.deploy("a")
    assert done.returncode == 1
    assert cli.serving() == serving(1)
    assert POST not in cli.calls


def test_what_could_not_be_put_back_is_told_and_the_rest_is_put_back(cli: Cli) -> None:
    cli.change(smoke=[0, 1], faults=["gcloud run services update-traffic ingest --to-revisions=ingest-00001"])
    done = cli.deploy("a")
    assert done.returncode == 1
    assert "traffic could not be put back everywhere. ingest: " in done.stderr
    assert cli.serving() == serving(1) | {"ingest": {"ingest-00002": 100}}


def test_a_split_that_somebody_made_by_hand_is_put_back_as_it_was(cli: Cli) -> None:
    assert cli.deploy("a").returncode == 0
    state = cli.state
    state["services"]["api"]["serving"] = {"api-00001": 30, "api-00002": 70}
    cli.write(state | {"smoke": [0, 1]})
    assert cli.deploy("b").returncode == 1
    assert cli.serving()["api"] == {"api-00001": 30, "api-00002": 70}


def test_a_schema_that_cannot_be_tidied_leaves_the_release_in_service_and_fails(cli: Cli) -> None:
    cli.change(faults=[POST])
    assert cli.deploy("a").returncode == 1
    assert cli.serving() == serving(2)
    cli.forget()
    assert cli.deploy("a").returncode == 0
    assert cli.calls == [job("a"), PRE, TRY_CANDIDATES, TRY_PEOPLES, job("a"), POST]


STEPS: dict[str, Callable[[str], str]] = {
    "the job's image": job,
    "the schema": lambda _: PRE,
    "a candidate": lambda letter: place("ingest", letter),
    "the last candidate": lambda letter: place("ui", letter),
    "the trial": lambda _: TRY_CANDIDATES,
    "the schema's end": lambda _: POST,
}


@pytest.mark.parametrize("step", sorted(STEPS))
def test_a_release_that_stopped_anywhere_is_done_again_safely(cli: Cli, step: str) -> None:
    assert cli.deploy("a").returncode == 0
    cli.change(faults=[STEPS[step]("b")])
    assert cli.deploy("b").returncode == 1
    done = cli.deploy("b")
    assert done.returncode == 0, done.stderr
    assert cli.images_served() == {name: {images("b")[name]} for name in SERVICES}
    assert all(service["tags"]["previous"] == f"{name}-00002" for name, service in cli.state["services"].items())


def interrupted(cli: Cli, *moved: str) -> None:
    """As a killed release of `b` leaves it: all candidates are there, and these have their traffic."""
    assert cli.deploy("a").returncode == 0
    cli.change(smoke=[1])
    assert cli.deploy("b").returncode == 1
    state = cli.state
    for name in moved:
        state["services"][name]["serving"] = {f"{name}-00003": 100}
        state["services"][name]["tags"]["previous"] = f"{name}-00002"
    cli.write(state)
    cli.forget()


def test_a_release_that_was_killed_while_traffic_moved_goes_on_where_it_stood(cli: Cli) -> None:
    interrupted(cli, "inference", "ingest")
    assert cli.deploy("b").returncode == 0
    assert [call for call in cli.calls if "update-traffic" in call] == [move("api", 3, 2), move("ui", 3, 2)]
    assert cli.serving() == serving(3)


def test_a_release_that_was_killed_and_then_fails_gives_people_what_they_had_before_both(cli: Cli) -> None:
    interrupted(cli, "inference", "ingest")
    cli.change(smoke=[0, 1])
    assert cli.deploy("b").returncode == 1
    assert cli.serving() == serving(2)


def test_a_change_of_settings_since_the_candidate_is_not_passed_over(cli: Cli) -> None:
    assert cli.deploy("a").returncode == 0
    state = cli.state
    state["services"]["api"]["revisions"]["api-00003"] = images("a")["api"]
    cli.write(state)
    cli.forget()
    assert cli.deploy("a").returncode == 0
    assert [call for call in cli.calls if "update-traffic" in call] == [move("api", 4, 2)]


def test_a_candidate_that_never_became_ready_is_made_anew(cli: Cli) -> None:
    cli.change(smoke=[1])
    assert cli.deploy("a").returncode == 1
    state = cli.state
    state["services"]["api"]["ready"] = "api-00001"
    cli.write(state)
    cli.forget()
    cli.deploy("a")
    assert [call for call in cli.calls if "services update " in call] == [place("api", "a")]


def test_a_dry_run_changes_nothing_and_says_what_it_would_do(cli: Cli) -> None:
    before = cli.state
    done = cli.deploy("a", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert cli.state == before
    assert done.stderr.count("would run: gcloud run services update ") == 4
    assert done.stderr.count("would run: gcloud run services update-traffic ") == 4
    assert done.stderr.index("phase,pre") < done.stderr.index("services update ") < done.stderr.index("phase,post")
