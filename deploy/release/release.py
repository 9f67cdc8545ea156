"""The order of a release, and of going back.

The schema grows first, then new revisions stand beside the old ones and are tried there, then traffic moves, then what only the old code needed may
go. Whatever fails before the last step leaves people with what they had.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from deploy.release.cloud_run import CANDIDATE, PREVIOUS, CloudRun, Service
from deploy.release.commands import Commands, Failed, say

# Whoever is asked comes before whoever asks: the api's new commands find an ingest that knows them, the web app's pages find the api they need.
ORDER = ("inference", "ingest", "api", "ui")
# Cloud Run lets nobody from outside reach ingest; that it starts is what its startup probe says.
REACHABLE = ("api", "inference", "ui")


@dataclass(frozen=True, slots=True)
class Smoke:
    """The command that walks through a running Maru, and the account it uses; without one it signs up, and removes what it made."""

    commands: Commands
    words: Sequence[str]
    email: str = ""
    password: str = field(default="", repr=False)

    def approves(self, urls: Mapping[str, str]) -> bool:
        """Whether what answers at `urls` works."""
        account = (f"--email={self.email}", "--password-stdin") if self.email else ()
        addresses = (urls["api"], f"--inference-url={urls['inference']}", f"--ui-url={urls['ui']}")
        return self.commands.approves(*self.words, *addresses, *account, told=f"{self.password}\n" if account else "")


@dataclass(frozen=True, slots=True)
class Release:
    """Brings images into service."""

    cloud: CloudRun
    smoke: Smoke

    def deploy(self, images: Mapping[str, str]) -> None:
        """Release `images`. Again after an interruption, wherever it was, it goes on where it stood."""
        before = {name: self.cloud.service(name) for name in ORDER}
        self.cloud.migrate(images["operator"], "pre")
        candidates = {name: self.cloud.place_candidate(before[name], images[name]) for name in ORDER}
        self._try(candidates)
        self._move(before, candidates)
        self.cloud.migrate(images["operator"], "post")
        say("released")

    def _try(self, candidates: Mapping[str, Service]) -> None:
        urls = {
            name: service.tag_urls.get(CANDIDATE, f"(the candidate of {name})") for name, service in candidates.items()
        }
        if not self.smoke.approves(urls):
            raise Failed(
                "the candidates do not work; nobody was sent to them. Mend what the trial says, then release again"
            )

    def _move(self, before: Mapping[str, Service], candidates: Mapping[str, Service]) -> None:
        to_move = [
            name
            for name in ORDER
            if _new(candidates[name]) not in before[name].serving or len(before[name].serving) > 1
        ]
        if not to_move:
            say("all candidates serve already")
        try:
            for name in to_move:
                self.cloud.move(
                    name, {_new(candidates[name]): 100}, previous=_remembered(before[name], candidates[name])
                )
            self._confirm({name: before[name].url for name in REACHABLE})
        # Also for somebody who presses Ctrl-C, and for a workflow that is cancelled.
        except BaseException as reason:
            if to_move:
                self._put_back(before, candidates, reason)
            raise

    def _confirm(self, urls: Mapping[str, str]) -> None:
        if not self.smoke.approves(urls):
            raise Failed("it does not work for people")

    def _put_back(
        self, before: Mapping[str, Service], candidates: Mapping[str, Service], reason: BaseException
    ) -> None:
        say(f"putting traffic back: {reason!r}")
        left: list[str] = []
        for name in reversed(ORDER):
            service, new = before[name], _new(candidates[name])
            # A release that was interrupted before this one had moved this service already: what served before that is what people had.
            earlier = service.tags.get(PREVIOUS)
            shares = {earlier: 100} if dict(service.serving) == {new: 100} and earlier else service.serving
            try:
                self.cloud.move(name, shares, previous=earlier)
            except Failed as failed:
                left.append(f"{name}: {failed}")
        if left:
            raise Failed("traffic could not be put back everywhere. " + "; ".join(left)) from reason

    def rollback(self, only: Sequence[str]) -> None:
        """Send everybody to what served before the last release. The schema stays: it still fits one release back."""
        services = [self.cloud.service(name) for name in reversed(ORDER) if not only or name in only]
        if nowhere := [service.name for service in services if PREVIOUS not in service.tags]:
            raise Failed(f"nothing is known to have served before on {', '.join(nowhere)}: name the others with --only")
        for service in services:
            target = service.tags[PREVIOUS]
            if dict(service.serving) == {target: 100}:
                say(f"{service.name} is served by {target} already")
                continue
            self.cloud.move(service.name, {target: 100}, previous=target)
        self.try_what_serves()

    def try_what_serves(self) -> None:
        """Try the addresses that people use."""
        self._confirm({name: self.cloud.service(name).url for name in REACHABLE})

    def status(self) -> None:
        """Say what serves, what waits, and what one would go back to."""
        for name in ORDER:
            service = self.cloud.service(name)
            shares = ", ".join(f"{revision} {share} %" for revision, share in sorted(service.serving.items()))
            say(f"{name:<10} {shares}  {self.cloud.image(service.main)}")
            for tag in (CANDIDATE, PREVIOUS):
                if tag in service.tags:
                    say(f"{'':<10} {tag}: {service.tags[tag]}")


def _new(candidate: Service) -> str:
    return candidate.tags.get(CANDIDATE, f"{candidate.name}-candidate")


def _remembered(before: Service, candidate: Service) -> str | None:
    """What `previous` is to name once the candidate serves."""
    return before.main if before.main != _new(candidate) else before.tags.get(PREVIOUS)


def smoke_words(command: str) -> list[str]:
    """A command as somebody writes it in a shell."""
    words = shlex.split(command)
    if not words:
        raise Failed("the command that tries a release is empty")
    return words
