"""Going back, building, looking, and what the command says when it is used wrongly."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cloud_cli import PLACE, REGISTRY, SERVICES, Cli, digest, images


@pytest.fixture
def cli(tmp_path: Path) -> Cli:
    return Cli.install(tmp_path)


@pytest.fixture
def released(cli: Cli) -> Cli:
    """As two releases leave it: the second serves, the first is remembered."""
    state = cli.state
    for name, service in state["services"].items():
        service["revisions"] |= {f"{name}-00002": images("a")[name], f"{name}-00003": images("b")[name]}
        service |= {
            "serving": {f"{name}-00003": 100},
            "tags": {"candidate": f"{name}-00003", "previous": f"{name}-00002"},
        }
    cli.write(state)
    return cli


def test_going_back_takes_everybody_to_what_served_before_and_tries_it(released: Cli) -> None:
    done = released.run("rollback")
    assert done.returncode == 0, done.stderr
    assert released.serving() == {name: {f"{name}-00002": 100} for name in SERVICES}
    assert released.calls[-1].startswith("maru smoke https://api.example")
    assert not any("jobs" in call for call in released.calls)


def test_going_back_twice_stays_there(released: Cli) -> None:
    assert released.run("rollback").returncode == 0
    released.forget()
    done = released.run("rollback")
    assert done.returncode == 0
    assert [call for call in released.calls if call.startswith("gcloud")] == []


def test_one_service_can_go_back_alone(released: Cli) -> None:
    assert released.run("rollback", "--only", "ui").returncode == 0
    assert [name for name, serving in released.serving().items() if serving == {f"{name}-00002": 100}] == ["ui"]


def test_going_back_to_what_does_not_work_fails(released: Cli) -> None:
    released.change(smoke=[1])
    done = released.run("rollback")
    assert done.returncode == 1
    assert "it does not work for people" in done.stderr


def test_nobody_is_moved_while_one_service_has_nothing_to_go_back_to(released: Cli) -> None:
    state = released.state
    del state["services"]["ingest"]["tags"]["previous"]
    released.write(state)
    done = released.run("rollback")
    assert done.returncode == 1
    assert "served before on ingest" in done.stderr
    assert released.calls == []


def test_the_state_of_each_service_is_told(released: Cli) -> None:
    done = released.run("status")
    assert done.returncode == 0
    for name in SERVICES:
        assert f"{name}-00003 100 %  {images('b')[name]}" in done.stderr
        assert f"previous: {name}-00002" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [(0, 0), (3, 1)], ids=["works", "broken"])
def test_what_serves_can_be_tried_at_any_time(released: Cli, answer: int, code: int) -> None:
    released.change(smoke=[answer])
    assert released.run("smoke").returncode == code
    assert [call.split()[:2] for call in released.calls] == [["maru", "smoke"]]


def test_the_account_of_a_trial_goes_by_standard_input_and_into_no_line(released: Cli) -> None:
    done = released.run("smoke", MARU_SMOKE_EMAIL="smoke@example.org", MARU_SMOKE_PASSWORD="not for logs")
    assert done.returncode == 0
    assert released.state["accounts"] == [["--email=smoke@example.org", "--password-stdin", "not for logs\n"]]
    assert "not for logs" not in done.stdout + done.stderr + "".join(released.calls)


def test_half_an_account_is_refused(released: Cli) -> None:
    done = released.run("smoke", MARU_SMOKE_EMAIL="smoke@example.org")
    assert (done.returncode, released.calls) == (1, [])
    assert "belong together" in done.stderr


def test_a_build_pushes_each_image_by_digest_with_its_parts_and_its_provenance(cli: Cli, tmp_path: Path) -> None:
    out = tmp_path / "images.json"
    done = cli.run("build", f"--registry={REGISTRY}", "--revision=0123abc", f"--images={out}")
    assert done.returncode == 0, done.stderr
    assert json.loads(out.read_text()) == {name: f"{REGISTRY}/{name}@{digest('d')}" for name in (*SERVICES, "operator")}
    assert len(cli.calls) == 5
    for call in cli.calls:
        assert "--provenance=mode=max --sbom=true" in call
        assert "push-by-digest=true" in call
        assert "--build-arg=REVISION=0123abc" in call
        assert f"--build-arg=BASE=python:3.11-slim-bookworm@{digest('e')}" in call
        assert "--tag" not in call


def test_an_image_that_cannot_be_built_leaves_nothing_to_release(cli: Cli, tmp_path: Path) -> None:
    cli.change(faults=["docker buildx build --file=services/ingest/Dockerfile"])
    out = tmp_path / "images.json"
    assert cli.run("build", f"--registry={REGISTRY}", "--revision=0123abc", f"--images={out}").returncode == 1
    assert not out.exists()


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("{", "does not hold the images of a release"),
        (json.dumps({"api": images("a")["api"]}), "must name exactly"),
        (json.dumps(images("a") | {"api": f"{REGISTRY}/api:latest"}), "api is "),
        (json.dumps(images("a") | {"api": f"{REGISTRY}/api@sha256:12"}), "api is "),
    ],
    ids=["no json", "one image", "a tag", "half a digest"],
)
def test_images_without_a_digest_are_not_released(cli: Cli, tmp_path: Path, written: str, said: str) -> None:
    path = tmp_path / "images.json"
    path.write_text(written)
    done = cli.run("deploy", f"--images={path}")
    assert (done.returncode, cli.calls) == (1, [])
    assert said in done.stderr


def test_a_project_must_be_named(cli: Cli) -> None:
    done = cli.run("status", "--project=")
    assert done.returncode == 1
    assert "GOOGLE_CLOUD_PROJECT" in done.stderr


def test_a_program_that_is_missing_is_named(cli: Cli) -> None:
    (cli.folder / "gcloud").unlink()
    done = cli.run("status", "--project=maru-test", "--smoke=maru smoke")
    assert done.returncode == 1
    assert "gcloud" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud itself judges our words where it is installed")
def test_gcloud_knows_every_word_that_we_say(released: Cli, tmp_path: Path) -> None:
    assert released.deploy("c").returncode == 0
    assert released.run("rollback").returncode == 0
    ours = {" ".join([call, *PLACE]) for call in released.calls if call.startswith("gcloud")}
    ours |= {f"gcloud run {kind} describe api {' '.join(PLACE)} --format=json" for kind in ("services", "revisions")}
    asked = tmp_path / "commands.json"
    asked.write_text(json.dumps([{"command_string": line} for line in sorted(ours)]))
    judged = subprocess.run(
        ["gcloud", "meta", "lint-gcloud-commands", f"--commands-file={asked}"],
        capture_output=True,
        text=True,
        check=True,
        timeout=150,
    )
    verdicts = json.loads(judged.stdout)
    assert len(verdicts) == len(ours)
    assert [verdict for verdict in verdicts if not verdict["success"]] == []
