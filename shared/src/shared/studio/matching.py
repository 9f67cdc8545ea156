"""Which tasks a worker can be given, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.contracts.dispatch import Capabilities
    from shared.contracts.studio import Requirements


def can_run(capabilities: Capabilities, runner: str, requires: Requirements) -> bool:
    """Whether a worker with these capabilities can do tasks of this runner with these requirements.

    One that names no runner is taken to have every runner and model; what is required of the machine it must still say.
    """
    if capabilities.runners:
        offer = next((offer for offer in capabilities.runners if offer.name == runner), None)
        if offer is None or not (requires.model is None or offer.any_model or requires.model in offer.models):
            return False
    if requires.gpu is not None and requires.gpu.casefold() not in (capabilities.gpu_name or "").casefold():
        return False
    return capabilities.gpu_memory_gib >= (requires.min_gpu_memory_gib or 0)
