"""Which runners there are, which of them can work here, and how one is made. Nothing heavy is imported to find out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from shared.contracts.dispatch import RunnerOffer

from worker.exits import CannotWork

if TYPE_CHECKING:
    from worker.runners.protocol import Runner
    from worker.settings import Settings

NAMES = ("image", "diffusers", "command")


@dataclass(frozen=True, slots=True)
class Options:
    """What runners need to know, as it is passed to child processes."""

    models: str | None = None
    commands: str | None = None

    @staticmethod
    def of(settings: Settings) -> Options:
        """What these settings say."""
        return Options(
            models=str(settings.models) if settings.models else None,
            commands=str(settings.commands) if settings.commands else None,
        )


def load(name: str, options: Options) -> Runner:
    """The runner, in this process."""
    match name:
        case "image":
            from worker.runners.image import ImageRunner

            return ImageRunner()
        case "diffusers" if options.models is not None:
            from worker.runners.diffusers import DiffusersRunner

            return DiffusersRunner(Path(options.models))
        case "command" if options.commands is not None:
            from worker.runners.catalog import read
            from worker.runners.command import CommandRunner

            return CommandRunner(read(Path(options.commands)))
        case _:
            raise CannotWork(f"There is no runner {name!r}; there are {', '.join(NAMES)}.")


def offers(settings: Settings) -> list[RunnerOffer]:
    """What this machine offers. Raises `CannotWork` when a runner that was asked for cannot work, or none can."""
    if settings.runners is None:
        found = [offer for name in NAMES if isinstance(offer := _offer(name, settings), RunnerOffer)]
    else:
        found = [_required(name, settings) for name in settings.runners]
    if not found:
        raise CannotWork("No runner can work here: install Pillow, or give --commands or --models.")
    return found


def _required(name: str, settings: Settings) -> RunnerOffer:
    offer = _offer(name, settings)
    if isinstance(offer, str):
        raise CannotWork(f"--runners {name}: {offer}")
    return offer


def _offer(name: str, settings: Settings) -> RunnerOffer | str:
    """The offer, or why there is none."""
    match name:
        case "image":
            return _installed(name, "PIL", "pillow")
        case "diffusers":
            return _diffusers(name, settings)
        case "command":
            return _commands(name, settings)
        case _:
            return f"there is no such runner; there are {', '.join(NAMES)}."


def _diffusers(name: str, settings: Settings) -> RunnerOffer | str:
    if settings.models is None:
        return "say where the models lie: --models DIR."
    for distribution in ("torch", "diffusers"):
        if importlib.util.find_spec(distribution) is None:
            return f"{distribution} is not installed; install maru-worker[diffusers]."
    from worker.runners.models import pipelines

    offer = _installed(name, "diffusers", "diffusers")
    if isinstance(offer, RunnerOffer):
        offer.models = pipelines(settings.models)[:200]
    return offer


def _commands(name: str, settings: Settings) -> RunnerOffer | str:
    if settings.commands is None:
        return "say which programs there are: --commands FILE."
    from worker.runners.catalog import read

    # The names of commands are its models: a job that requires one gets a worker that has it.
    return RunnerOffer(name=name, models=sorted(read(settings.commands).commands)[:200])


def _installed(name: str, module: str, distribution: str) -> RunnerOffer | str:
    if importlib.util.find_spec(module) is None:
        return f"{distribution} is not installed."
    return RunnerOffer(name=name, version=importlib.metadata.version(distribution)[:64])
