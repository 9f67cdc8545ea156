"""Which tasks a worker can be given, pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shared.contracts.dispatch import Capabilities
    from shared.contracts.studio import Requirements


def can_run(capabilities: Capabilities, runner: str, requires: Requirements) -> bool:
    """Whether a worker with these capabilities can do tasks of this runner with these requirements.

    One that names no runner takes those of every runner, so long as nothing else is required.
    """
    models: frozenset[str] = frozenset()
    any_model = False
    if capabilities.runners:
        offer = next((offer for offer in capabilities.runners if offer.name == runner), None)
        if offer is None:
            return False
        models, any_model = frozenset(offer.models), offer.any_model
    if requires.model is not None and not any_model and requires.model not in models:
        return False
    if requires.gpu is not None and requires.gpu.casefold() not in (capabilities.gpu_name or "").casefold():
        return False
    return capabilities.gpu_memory_gib >= (requires.min_gpu_memory_gib or 0)
