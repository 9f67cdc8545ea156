"""Workers, queues, messages that were given up, and rented hosts."""

import streamlit as st
from shared.contracts.dispatch import Capabilities

from ui.core import operations, session, when
from ui.core.api import ApiProblem
from ui.core.i18n import t
from ui.core.operations import DeadLetter, Host, Queue, Worker
from ui.core.trouble import explain
from ui.parts.studio_words import count, money
from ui.parts.tables import Cell, Row, facts
from ui.parts.words import shortened

_WORKER_TONES = {"idle": "green", "busy": "blue", "draining": "amber", "offline": "plain"}
_HOST_TONES = {"running": "green", "starting": "blue", "stopping": "amber", "stopped": "plain"}


def workers() -> None:
    found = operations.workers(session.api())
    if not found:
        st.caption(t("admin.no_workers"))
        return
    facts("workers", ("worker", "state", "can", "seen"), [_worker(one) for one in found])


def _worker(one: Worker) -> Row:
    state = Cell(t(f"worker.{one.status}"), tone=_WORKER_TONES.get(one.status, "plain"))
    return Row(
        str(one.id),
        (Cell(one.worker_id, one.token_name), state, _abilities(one.capabilities), Cell(when.moment_name(one.seen_at))),
    )


def _abilities(able: Capabilities) -> Cell:
    runners = ", ".join(offer.name for offer in able.runners) or t("admin.every_runner")
    gpu = f"{able.gpu_count} × {able.gpu_name} {able.gpu_memory_gib:.0f} GiB" if able.gpu_name else t("admin.no_gpu")
    return Cell(runners, gpu)


def queues() -> None:
    found = operations.queues(session.api())
    if not found:
        st.caption(t("admin.no_queues"))
        return
    columns = ("queue", "queued", "processing", "held", "oldest", "able")
    facts("queues", columns, [_queue(one) for one in found], numbers=("queued", "processing", "held", "able"))


def _queue(one: Queue) -> Row:
    needs = ", ".join(f"{name}: {value}" for name, value in one.requires.items() if value is not None)
    oldest = when.moment_name(one.oldest_queued_at) if one.oldest_queued_at else "–"
    able = Cell(count(one.workers or 0)) if one.workers else Cell("0", tone="amber" if one.queued else "plain")
    waiting = Cell(count(one.queued + one.delayed))
    return Row(
        str(one.id),
        (Cell(one.runner, needs), waiting, Cell(count(one.processing)), Cell(count(one.held)), Cell(oldest), able),
    )


def dead_letters() -> None:
    """What was given up, with why, and another try for each."""
    found = operations.dead_letters(session.api())
    if not found:
        st.caption(t("admin.no_letters"))
        return
    rows = [_letter(one) for one in found]
    act = facts(
        "letters", ("letter", "cause", "attempts", "when"), rows, numbers=("attempts",), icons={"again": "refresh"}
    )
    if act:
        _again(act[1])


def _letter(one: DeadLetter) -> Row:
    cause = Cell(shortened(one.error or "", 240))
    return Row(
        str(one.id),
        (
            Cell(one.name, f"{t(f'letter.{one.kind}')} · {one.destination}"),
            cause,
            Cell(count(one.attempts)),
            Cell(when.moment_name(one.created_at)),
        ),
        ("again",) if one.can_retry else (),
    )


def _again(letter_id: str) -> None:
    try:
        operations.send_again(session.api(), letter_id)
        st.session_state["said"] = t("admin.sent_again")
    except ApiProblem as problem:
        st.toast(explain(problem), icon=":material/error:")
        return
    st.rerun()


def hosts() -> None:
    found = operations.hosts(session.api())
    if not found:
        st.caption(t("admin.no_hosts"))
        return
    columns = ("host", "state", "price", "cost", "when")
    facts("hosts", columns, [_host(one) for one in found], numbers=("price", "cost"))


def _host(one: Host) -> Row:
    state = Cell(t(f"host.{one.status}"), one.reason or "", _HOST_TONES.get(one.status, "plain"))
    name = Cell(one.label, f"{one.provider} · {one.gpu_name or ''}")
    price = Cell(f"${one.price_per_hour:.2f}")
    return Row(str(one.id), (name, state, price, Cell(money(one.cost_micros)), Cell(when.moment_name(one.created_at))))
