"""Cloud Run's services and the migration job, by `gcloud`.

Two tags on each service keep what a release has to remember, so that it can be interrupted anywhere and done again by anybody:
`candidate` is the revision that is to serve, `previous` the one that served before the last change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deploy.release.commands import Commands, Failed

CANDIDATE = "candidate"
PREVIOUS = "previous"


@dataclass(frozen=True, slots=True)
class Service:
    """What Cloud Run says of one service. `serving` maps revisions to their share of traffic in per cent."""

    name: str
    url: str
    serving: Mapping[str, int]
    tags: Mapping[str, str]
    tag_urls: Mapping[str, str]
    newest: str
    """The last revision that was made, whether it serves or not."""
    newest_is_ready: bool
    image: str
    """What the newest revision was asked to run. A revision itself may name the part of an image that is for its processor."""

    @property
    def main(self) -> str:
        """The revision that serves most."""
        return max(self.serving, key=lambda revision: self.serving[revision])


@dataclass(frozen=True, slots=True)
class CloudRun:
    """One project's region."""

    commands: Commands
    project: str
    region: str

    def service(self, name: str) -> Service:
        """How a service stands now."""
        told = self.commands.read("gcloud", "run", "services", "describe", name, *self._place(), "--format=json")
        try:
            return _service(name, told)
        except (KeyError, TypeError, ValueError) as error:
            raise Failed(f"Cloud Run says of {name} what is not understood: {error!r}") from error

    def image(self, revision: str) -> str:
        """The image of a revision."""
        told = self.commands.read("gcloud", "run", "revisions", "describe", revision, *self._place(), "--format=json")
        return str(told["spec"]["containers"][0]["image"])

    def place_candidate(self, service: Service, image: str) -> Service:
        """Bring up `image` beside what serves, without any traffic. Done already, it is left as it is."""
        placed = service.tags.get(CANDIDATE) == service.newest and service.newest_is_ready
        if placed and service.image == image:
            return service
        self.commands.change(
            "gcloud",
            "run",
            "services",
            "update",
            service.name,
            f"--image={image}",
            "--no-traffic",
            f"--tag={CANDIDATE}",
            *self._place(),
            "--quiet",
        )
        return service if self.commands.dry_run else self.service(service.name)

    def move(self, service: str, shares: Mapping[str, int], *, previous: str | None) -> None:
        """Give all traffic to `shares` and remember `previous`, if there is one; both or neither."""
        to = ",".join(f"{revision}={share}" for revision, share in sorted(shares.items()))
        remember = (f"--update-tags={PREVIOUS}={previous}",) if previous else ()
        self.commands.change(
            "gcloud",
            "run",
            "services",
            "update-traffic",
            service,
            f"--to-revisions={to}",
            *remember,
            *self._place(),
            "--quiet",
        )

    def migrate(self, image: str, phase: str) -> None:
        """Run the schema's steps of `phase` and wait for their end."""
        self.commands.change(
            "gcloud", "run", "jobs", "update", "migrate", f"--image={image}", *self._place(), "--quiet"
        )
        self.commands.change(
            "gcloud",
            "run",
            "jobs",
            "execute",
            "migrate",
            f"--args=migrate,up,--phase,{phase}",
            "--wait",
            *self._place(),
            "--quiet",
        )

    def _place(self) -> tuple[str, str]:
        return f"--project={self.project}", f"--region={self.region}"


def _service(name: str, told: Any) -> Service:
    status = told["status"]
    traffic = status.get("traffic", [])
    serving: dict[str, int] = {}
    for entry in traffic:
        if share := int(entry.get("percent") or 0):
            serving[entry["revisionName"]] = serving.get(entry["revisionName"], 0) + share
    tagged = [entry for entry in traffic if entry.get("tag")]
    if not serving:
        raise Failed(f"{name} serves nobody: look at it in the console before releasing")
    return Service(
        name,
        status["url"],
        serving,
        {entry["tag"]: entry["revisionName"] for entry in tagged},
        {entry["tag"]: entry["url"] for entry in tagged},
        status["latestCreatedRevisionName"],
        status.get("latestReadyRevisionName") == status["latestCreatedRevisionName"],
        told["spec"]["template"]["spec"]["containers"][0]["image"],
    )
