"""Spans: what was done, for how long, as part of which trace. Without a tracer nothing is made and nothing is loaded.

    with span("file copy", size=3) as current:
        ...

Attributes hold counts, names of ours and states; never ids of people or their things, and never what anybody wrote.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field

from shared.telemetry.trace_context import TraceContext, current_trace, incoming_trace

Attribute = str | int | float | bool
Sampler = Callable[[TraceContext | None, int], bool]

_NOTHING: AbstractContextManager[Span | None] = nullcontext(None)
_RATIO_BITS = (1 << 64) - 1


@dataclass(slots=True)
class Span:
    """One piece of work; `error` is the type of what went wrong, if anything did. `server` marks a request that came in."""

    name: str
    trace: TraceContext
    parent_id: str | None
    server: bool = False
    attributes: dict[str, Attribute] = field(default_factory=dict)
    error: str | None = None
    started_ns: int = 0
    ended_ns: int = 0


class Tracer:
    """Begins spans and gives those that ended to `sink`, which neither waits nor fails."""

    def __init__(self, sampler: Sampler, sink: Callable[[Span], None]) -> None:
        self._sampler = sampler
        self._sink = sink

    def begin_request(self, caller: TraceContext | None) -> Span | None:
        """The span of a request, None when this trace is not sampled."""
        trace_id = int(caller.trace_id, 16) if caller else random.getrandbits(128) or 1
        if not self._sampler(caller, trace_id):
            return None
        trace = TraceContext(f"{trace_id:032x}", _new_span_id(), sampled=True)
        return Span("request", trace, caller.span_id if caller else None, server=True, started_ns=time.time_ns())

    def begin(self, name: str, parent: TraceContext, attributes: dict[str, Attribute]) -> Span:
        """A span within a sampled trace."""
        trace = TraceContext(parent.trace_id, _new_span_id(), sampled=True)
        return Span(name, trace, parent.span_id, attributes=attributes, started_ns=time.time_ns())

    def end(self, ended: Span) -> None:
        """It is over."""
        ended.ended_ns = time.time_ns()
        self._sink(ended)


_installed: list[Tracer] = []


def install(tracer: Tracer | None) -> None:
    """Let this process's spans go to `tracer`, or nowhere; for whoever starts the process."""
    _installed[:] = [] if tracer is None else [tracer]


def tracing() -> bool:
    """Whether spans go anywhere."""
    return bool(_installed)


def span(name: str, **attributes: Attribute) -> AbstractContextManager[Span | None]:
    """Measure a block as part of the current trace; where none is sampled, nothing happens. Not across the yields of a generator."""
    if not _installed:
        return _NOTHING
    parent = current_trace.get()
    if parent is None or not parent.sampled:
        return _NOTHING
    return _measured(_installed[0], parent, name, attributes)


def begin(name: str, attributes: dict[str, Attribute]) -> Span | None:
    """Begin what `span` measures, for work that is not one block; whoever gets a span calls `end` with it."""
    parent = current_trace.get()
    if not _installed or parent is None or not parent.sampled:
        return None
    return _installed[0].begin(name, parent, attributes)


def end(begun: Span) -> None:
    """End what `begin` gave."""
    if _installed:
        _installed[0].end(begun)


@contextmanager
def request_span(headers: Iterable[tuple[bytes, bytes]], *, probe: bool = False) -> Generator[Span | None]:
    """Measure a request, continuing its caller's trace; whoever asks names the span once the route is known. A probe is not measured."""
    caller = incoming_trace(headers)
    tracer = _installed[0] if _installed and not probe else None
    begun = tracer.begin_request(caller) if tracer else None
    if begun is None and tracer is not None and caller is not None:
        caller = TraceContext(caller.trace_id, caller.span_id, sampled=False)
    token = current_trace.set(begun.trace if begun else caller)
    try:
        yield begun
    finally:
        current_trace.reset(token)
        if begun is not None and tracer is not None:
            tracer.end(begun)


@contextmanager
def _measured(tracer: Tracer, parent: TraceContext, name: str, attributes: dict[str, Attribute]) -> Generator[Span]:
    begun = tracer.begin(name, parent, attributes)
    token = current_trace.set(begun.trace)
    try:
        yield begun
    except BaseException as error:
        begun.error = type(error).__qualname__
        raise
    finally:
        current_trace.reset(token)
        tracer.end(begun)


def sampler(name: str, ratio: float) -> Sampler:
    """The sampler that OpenTelemetry calls `name`; raises `ValueError` for one that it does not have."""

    def chosen(trace_id: int) -> bool:
        return trace_id & _RATIO_BITS < round(ratio * (1 << 64))

    roots: dict[str, Callable[[int], bool]] = {
        "always_on": lambda _: True,
        "always_off": lambda _: False,
        "traceidratio": chosen,
    }
    parent_based = name.startswith("parentbased_")
    root = roots.get(name.removeprefix("parentbased_"))
    if root is None:
        raise ValueError(name)
    if not parent_based:
        return lambda _, trace_id: root(trace_id)
    return lambda caller, trace_id: caller.sampled if caller else root(trace_id)


def _new_span_id() -> str:
    return f"{random.getrandbits(64) or 1:016x}"
