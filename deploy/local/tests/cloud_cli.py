"""Stand-ins for `gcloud`, `docker` and `maru smoke` on PATH, which keep Cloud Run's state in a file and refuse every word that they do not know.

Tests use `Cli`, which puts them on PATH and reads what they were asked.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
PLACE = ("--project=maru-test", "--region=asia-northeast3")
SERVICES = ("inference", "ingest", "api", "ui")
REGISTRY = "asia-northeast3-docker.pkg.dev/maru-test/maru"
State = dict[str, Any]


def digest(letter: str) -> str:
    return f"sha256:{letter * 64}"


def images(letter: str) -> dict[str, str]:
    return {name: f"{REGISTRY}/{name}@{digest(letter)}" for name in (*SERVICES, "operator")}


@dataclass
class Cli:
    """The stand-ins' folder, and what they keep in it."""

    folder: Path

    @classmethod
    def install(cls, folder: Path) -> Cli:
        """Put the programs into `folder`, with each service served by one revision that Terraform made."""
        for name in ("gcloud", "docker", "maru"):
            program = folder / name
            program.write_text(
                f"#!{sys.executable} -IS\nimport sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\n"
                f"from cloud_cli import play\nsys.exit(play({name!r}, sys.argv[1:], {str(folder)!r}))\n"
            )
            program.chmod(0o755)
        cli = cls(folder)
        services = {
            name: {"revisions": {f"{name}-00001": "hello"}, "serving": {f"{name}-00001": 100}, "tags": {}}
            for name in SERVICES
        }
        cli.write({"services": services, "job": "hello", "calls": [], "faults": [], "smoke": []})
        return cli

    @property
    def state(self) -> State:
        state: State = json.loads((self.folder / "state.json").read_text())
        return state

    def write(self, state: State) -> None:
        (self.folder / "state.json").write_text(json.dumps(state))

    def change(self, **values: Any) -> None:
        """Set faults (beginnings of calls that fail, each once) or what smoke says, in order; it approves when nothing is left."""
        self.write(self.state | values)

    @property
    def calls(self) -> list[str]:
        """What changed something or judged, in order, without project and region."""
        return list(self.state["calls"])

    def forget(self) -> None:
        self.change(calls=[])

    def serving(self) -> dict[str, dict[str, int]]:
        return {name: service["serving"] for name, service in self.state["services"].items()}

    def images_served(self) -> dict[str, set[str]]:
        return {
            name: {service["revisions"][revision] for revision in service["serving"]}
            for name, service in self.state["services"].items()
        }

    def run(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        """`python -m deploy.release` with the stand-ins on PATH."""
        env = self._env | more
        command = [sys.executable, "-m", "deploy.release", *words]
        return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=120)

    def start(self, letter: str) -> subprocess.Popen[str]:
        """A deployment that can be interrupted."""
        command = [sys.executable, "-m", "deploy.release", "deploy", f"--images={self.wanted(letter)}"]
        return subprocess.Popen(
            command, cwd=ROOT, env=self._env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def wanted(self, letter: str) -> Path:
        """The file with the images of a release."""
        path = self.folder / f"images-{letter}.json"
        path.write_text(json.dumps(images(letter)))
        return path

    @property
    def _env(self) -> dict[str, str]:
        return {"PATH": f"{self.folder}:/usr/bin:/bin", "GOOGLE_CLOUD_PROJECT": "maru-test", "HOME": str(self.folder)}

    def deploy(self, letter: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.run("deploy", f"--images={self.wanted(letter)}", *words)


def play(program: str, words: list[str], folder: str) -> int:
    """Be `program`, called with `words`; the exit code."""
    cli = Cli(Path(folder))
    state = cli.state
    line = " ".join([program, *(word for word in words if word not in PLACE)])
    reading = "describe" in words or "inspect" in words
    if not reading:
        state["calls"].append(line)
    fault = next((fault for fault in state["faults"] if line.startswith(fault)), None)
    if fault is not None:
        state["faults"].remove(fault)
        cli.write(state)
        return 1
    try:
        if program == "gcloud" and not set(PLACE) <= set(words):
            raise ValueError(f"gcloud without project and region: {line}")
        code = _PROGRAMS[program](state, [word for word in words if word not in PLACE])
    finally:
        cli.write(state)
    return code


def _gcloud(state: State, words: list[str]) -> int:
    match words:
        case ["run", "services", "describe", name, "--format=json"]:
            _print(_described(name, state["services"][name]))
        case ["run", "revisions", "describe", revision, "--format=json"]:
            image = state["services"][revision.rpartition("-")[0]]["revisions"][revision]
            _print({"spec": {"containers": [{"image": image}]}})
        case ["run", "services", "update", name, image, "--no-traffic", "--tag=candidate", "--quiet"]:
            service = state["services"][name]
            revision = f"{name}-{len(service['revisions']) + 1:05}"
            service["revisions"][revision] = _value(image, "--image")
            service["tags"]["candidate"] = revision
        case ["run", "services", "update-traffic", name, to, *tags, "--quiet"]:
            _move(state["services"][name], _value(to, "--to-revisions"), tags)
        case ["run", "jobs", "update", "migrate", image, "--quiet"]:
            state["job"] = _value(image, "--image")
        case ["run", "jobs", "execute", "migrate", arguments, "--wait", "--quiet"]:
            if _value(arguments, "--args") not in {"migrate,up,--phase,pre", "migrate,up,--phase,post"}:
                raise ValueError(arguments)
        case _:
            raise ValueError(f"gcloud does not know {words}")
    return 0


def _print(value: State) -> None:
    sys.stdout.write(json.dumps(value))


def _described(name: str, service: State) -> State:
    traffic: list[State] = [
        {"revisionName": revision, "percent": share} for revision, share in service["serving"].items()
    ]
    traffic += [
        {"revisionName": revision, "tag": tag, "url": f"https://{tag}---{name}.example"}
        for tag, revision in service["tags"].items()
    ]
    newest = max(service["revisions"])
    template = {"spec": {"containers": [{"image": service["revisions"][newest]}]}}
    names = {"latestCreatedRevisionName": newest, "latestReadyRevisionName": service.get("ready", newest)}
    return {"spec": {"template": template}, "status": {"url": f"https://{name}.example", "traffic": traffic} | names}


def _move(service: State, to: str, tags: list[str]) -> None:
    shares = {revision: int(share) for revision, _, share in (pair.partition("=") for pair in to.split(","))}
    if sum(shares.values()) != 100 or not shares.keys() <= service["revisions"].keys():
        raise ValueError(f"traffic to {shares}")
    for tag in tags:
        name, _, revision = _value(tag, "--update-tags").partition("=")
        if revision not in service["revisions"]:
            raise ValueError(tag)
        service["tags"][name] = revision
    service["serving"] = shares


def _maru(state: State, words: list[str]) -> int:
    match words:
        case ["smoke", api, inference, ui, *account]:
            addresses = (
                ("api", api),
                ("inference", _value(inference, "--inference-url")),
                ("ui", _value(ui, "--ui-url")),
            )
            if not all(re.fullmatch(rf"https://(candidate---)?{name}\.example", url) for name, url in addresses):
                raise ValueError(f"maru does not know these addresses: {addresses}")
            if account:
                state["accounts"] = [*state.get("accounts", []), [*account, sys.stdin.readline()]]
        case _:
            raise ValueError(f"maru does not know {words}")
    answer = state["smoke"].pop(0) if state["smoke"] else 0
    if answer == "hang":
        sys.stdout.write("hanging\n")
        sys.stdout.flush()
        signal.pause()
    return int(answer)


def _docker(_: State, words: list[str]) -> int:
    if words[:3] == ["buildx", "imagetools", "inspect"] and words[4:] == ["--format={{json .Manifest}}"]:
        _print({"digest": digest("e")})
        return 0
    if words[:2] != ["buildx", "build"] or words[-1] != "." or not (ROOT / _value(words[2], "--file")).is_file():
        raise ValueError(f"docker does not know {words}")
    (metadata,) = [word for word in words if word.startswith("--metadata-file=")]
    Path(_value(metadata, "--metadata-file")).write_text(json.dumps({"containerimage.digest": digest("d")}))
    return 0


def _value(word: str, flag: str) -> str:
    if not word.startswith(f"{flag}="):
        raise ValueError(f"{word} is not {flag}")
    return word.removeprefix(f"{flag}=")


_PROGRAMS = {"gcloud": _gcloud, "maru": _maru, "docker": _docker}
