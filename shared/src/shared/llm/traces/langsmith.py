"""Tells calls of models to LangSmith through its official client; everything here runs in the thread that sends.

The client's own queue and threads stay off: they have no end that a stopping service could rely on. Ours is bounded, drops what does not
fit and is given two seconds at the end.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from shared.llm.traces.call import ModelCall
from shared.llm.traces.settings import ModelTraceSettings
from shared.rotation import current

if TYPE_CHECKING:
    from langsmith import Client

_CONNECT_MS, _READ_MS = 3_000, 10_000
_KINDS = {"chat": "llm", "vision": "llm", "transcription": "llm", "embedding": "embedding"}


class RunsRefused(Exception):
    """LangSmith has not taken a batch."""


def open_langsmith(settings: ModelTraceSettings) -> Callable[[Sequence[ModelCall]], None]:
    """Loads the client; what it returns sends a batch with the key as it is then."""
    # It quotes what was refused.
    logging.getLogger("langsmith").setLevel(logging.CRITICAL)
    failures: list[Exception] = []
    clients: dict[str, Client] = {}

    def send(batch: Sequence[ModelCall]) -> None:
        key = current(settings.api_key)
        if key not in clients:
            clients.clear()
            clients[key] = _client(settings, key, failures.append)
        failures.clear()
        clients[key].multipart_ingest(create=[_run(call, settings.project) for call in batch])
        if failures:
            raise RunsRefused from failures[0]

    return send


def _client(settings: ModelTraceSettings, key: str, failed: Callable[[Exception], None]) -> Client:
    from langsmith import Client
    from urllib3.util import Retry

    return Client(
        api_url=settings.endpoint,
        api_key=key,
        auto_batch_tracing=False,
        tracing_mode="langsmith",
        tracing_sampling_rate=1.0,
        timeout_ms=(_CONNECT_MS, _READ_MS),
        retry_config=Retry(
            total=1,
            backoff_factor=0.3,
            status_forcelist=(429, 502, 503, 504),
            allowed_methods=None,
            # It may ask for an hour, in which everything else would be dropped.
            respect_retry_after_header=False,
        ),
        # What there is to hide is hidden before it comes here; the process's own environment is none of LangSmith's business.
        omit_traced_runtime_info=True,
        hide_inputs=False,
        hide_outputs=False,
        hide_metadata=False,
        tracing_error_callback=failed,
        disable_prompt_cache=True,
    )


def _run(call: ModelCall, project: str) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "ls_provider": call.provider,
        "ls_model_name": call.model,
        "ls_model_type": call.kind,
        **{f"ls_{name}": value for name, value in call.parameters.items()},
        "request_id": call.request_id,
    }
    if call.trace_id:
        metadata["trace_id"] = call.trace_id
    if call.prompt is not None:
        metadata |= {"prompt_name": call.prompt.name, "prompt_version": call.prompt.version}
    run: dict[str, Any] = {
        "id": str(call.id),
        "trace_id": str(call.id),
        "dotted_order": f"{call.started:%Y%m%dT%H%M%S%f}Z{call.id}",
        "name": call.prompt.name if call.prompt else call.operation,
        "run_type": _KINDS[call.kind],
        "session_name": project,
        "start_time": call.started.isoformat(),
        "end_time": call.ended.isoformat() if call.ended else None,
        "inputs": call.inputs,
        "outputs": {**call.outputs, **_usage(call)},
        "extra": {"metadata": metadata},
    }
    if call.first_piece is not None:
        run["events"] = [{"name": "new_token", "time": call.first_piece.isoformat()}]
    if call.error is not None:
        run["error"] = call.error
    return run


def _usage(call: ModelCall) -> dict[str, Any]:
    if call.usage is None:
        return {}
    usage = call.usage
    counted: dict[str, Any] = {
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "input_token_details": {"cache_read": usage.cached_tokens},
    }
    if usage.cost_micros is not None:
        counted["total_cost"] = usage.cost_micros / 1_000_000
    return {"usage_metadata": counted}
