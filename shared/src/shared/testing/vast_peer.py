"""Vast.ai as far as the fleet speaks to it: offers, hosts, and everything that goes wrong on the way.

It is strict: an unknown route, verb, field or operator is refused with the status that Vast documents, and so is a missing key. `faults` are
answered first, one for each call of their kind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit

from shared.testing.http_peer import http_peer

CallKind = Literal["search", "create", "list", "destroy"]

_FILTERS = frozenset(
    {
        "verified",
        "rentable",
        "num_gpus",
        "reliability",
        "dph_total",
        "duration",
        "disk_space",
        "gpu_ram",
        "gpu_name",
        "machine_id",
    }
)
_SEARCH_FIELDS = _FILTERS | {"type", "order", "limit", "allocated_storage"}
_CREATE_FIELDS = frozenset(
    {
        "image",
        "label",
        "disk",
        "runtype",
        "target_state",
        "cancel_unavail",
        "env",
        "onstart",
        "args",
        "args_str",
        "image_login",
    }
)
_LIST_FIELDS = frozenset({"select_cols", "select_filters", "order_by", "limit", "after_token"})
_RUNTYPES = frozenset({"ssh", "jupyter", "args", "ssh_proxy", "ssh_direct", "jupyter_proxy", "jupyter_direct"})
_PAGE = 25


@dataclass(frozen=True)
class Fault:
    """`status` instead of an answer; `lost`: it happens, but the answer does not arrive; `dropped`: neither; `slow_s`: it takes its time."""

    call: CallKind
    status: int | None = None
    lost: bool = False
    dropped: bool = False
    slow_s: float = 0
    retry_after: str | None = None
    text: str = ""


@dataclass
class VastPeer:
    """The running server; `clock` moves when a test says so, and hosts cost by it."""

    api_key: str = "peer-vast-key"
    url: str = ""
    offers: list[dict[str, Any]] = field(default_factory=list)
    hosts: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    frozen_list: list[dict[str, Any]] | None = None
    next_id: int = 7001

    def offer(self, price: float = 0.4, *, gpu_name: str = "RTX 4090", gpu_ram: int = 24564, **more: Any) -> int:
        """Put up a machine; the offer's id."""
        number = self._number()
        plain = {
            "id": number,
            "ask_contract_id": number,
            "machine_id": number + 50_000,
            "gpu_name": gpu_name,
            "gpu_ram": gpu_ram,
            "num_gpus": 1,
            "dph_total": price,
            "verified": True,
            "rentable": True,
            "reliability": 0.99,
            "duration": 30 * 86_400.0,
            "disk_space": 500.0,
        }
        self.offers.append(plain | more)
        return number

    def host(self, label: str | None, **more: Any) -> int:
        """A host that is already there, such as somebody's own; its id."""
        number = self._number()
        self.hosts[number] = {"id": number, "label": label, **_fresh(machine_id=number + 50_000, price=0.4), **more}
        return number

    def labels(self) -> list[str | None]:
        """Of the hosts that cost money now."""
        return [host["label"] for host in self.hosts.values()]

    def freeze_list(self) -> None:
        """From now on the list shows what there is now."""
        self.frozen_list = [dict(host) for host in self.hosts.values()]

    def thaw_list(self) -> None:
        """The list is up to date again."""
        self.frozen_list = None

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> _Reply | None:
        """One request; None when the connection is to be cut."""
        parts = urlsplit(target)
        call = _kind(method, parts.path)
        self.calls.append(f"{method} {parts.path}")
        if call is None:
            return _error(404 if not _known(parts.path) else 405, "no_such_route", f"{method} {parts.path}")
        fault = self._take_fault(call)
        if fault is not None:
            time.sleep(fault.slow_s)
            if fault.dropped:
                return None
            if fault.status is not None:
                more = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
                return _Reply(fault.status, fault.text or "API requests too frequent", more)
        if headers.get("authorization") != f"Bearer {self.api_key}":
            return _error(401, "auth_error", "This action requires login")
        try:
            reply = self._serve(call, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), body)
        except _Refused as refused:
            reply = _error(refused.status, refused.code, refused.text)
        return None if fault is not None and fault.lost else reply

    def _serve(self, call: CallKind, path: str, query: dict[str, str], body: bytes) -> _Reply:
        match call:
            case "search":
                return self._search(_object(body))
            case "create":
                return self._create(_last_number(path), _object(body))
            case "list":
                return self._list(query)
            case "destroy":
                if _object(body):
                    raise _Refused(400, "invalid_args", "no body is expected")
                return self._destroy(_last_number(path))

    def _search(self, query: dict[str, Any]) -> _Reply:
        _only(query, _SEARCH_FIELDS)
        if query.get("type", "ondemand") not in {"ondemand", "bid", "reserved"}:
            raise _Refused(400, "bad_request", f"type {query['type']!r}")
        found = [
            offer for offer in self.offers if all(_meets(offer, name, query[name]) for name in _FILTERS & query.keys())
        ]
        for column, direction in query.get("order", []):
            found.sort(key=lambda offer: offer[column], reverse=direction == "desc")
        return _Reply(200, {"offers": found[: query.get("limit", 64)]})

    def _create(self, ask: int, body: dict[str, Any]) -> _Reply:
        _only(body, _CREATE_FIELDS)
        if not isinstance(body.get("image"), str) or not body["image"]:
            raise _Refused(400, "invalid_args", "image is required")
        if not isinstance(body.get("disk", 8), int | float) or body.get("disk", 8) < 8:
            raise _Refused(400, "invalid_args", "disk must be 8 at least")
        if body.get("runtype", "ssh") not in _RUNTYPES or body.get("target_state", "running") not in {
            "running",
            "stopped",
        }:
            raise _Refused(400, "invalid_args", "runtype or target_state")
        if len(body.get("label") or "") > 256:
            raise _Refused(400, "invalid_args", "label is too long")
        env = body.get("env", {})
        if not isinstance(env, dict) or any(not isinstance(value, str) or len(value) > 256 for value in env.values()):
            raise _Refused(400, "invalid_args", "env must be an object of strings of 256 characters at most")
        offer = next((offer for offer in self.offers if offer["id"] == ask and offer["rentable"]), None)
        if offer is None:
            raise _Refused(
                404, "invalid_args", f"error 404/3603: no_such_ask Instance type by id {ask} is not available."
            )
        offer["rentable"] = False
        number = self._number()
        self.hosts[number] = {
            "id": number,
            "label": body.get("label"),
            "image_uuid": body["image"],
            "extra_env": [[name, value] for name, value in env.items()],
            **_fresh(machine_id=offer["machine_id"], price=offer["dph_total"]),
        }
        return _Reply(200, {"success": True, "new_contract": number})

    def _list(self, query: dict[str, str]) -> _Reply:
        _only(query, _LIST_FIELDS)
        limit = int(query.get("limit", _PAGE))
        if limit > _PAGE:
            raise _Refused(400, "invalid_args", f"limit is {_PAGE} at most")
        columns = json.loads(query.get("select_cols", '["*"]'))
        after = int(query["after_token"].removeprefix("after-")) if "after_token" in query else 0
        everything = self.frozen_list if self.frozen_list is not None else list(self.hosts.values())
        rest = sorted((host for host in everything if host["id"] > after), key=lambda host: host["id"])
        page = rest[:limit]
        rows = [host if columns == ["*"] else {column: host.get(column) for column in columns} for host in page]
        token = f"after-{page[-1]['id']}" if len(rest) > limit else None
        return _Reply(
            200,
            {
                "success": True,
                "instances_found": len(page),
                "total_instances": len(everything),
                "label_counts": {},
                "next_token": token,
                "instances": rows,
            },
        )

    def _destroy(self, number: int) -> _Reply:
        if self.hosts.pop(number, None) is None:
            raise _Refused(404, "no_such_instance", f"Instance {number} not found.")
        return _Reply(200, {"success": True})

    def _take_fault(self, call: CallKind) -> Fault | None:
        fault = next((fault for fault in self.faults if fault.call == call), None)
        if fault is not None:
            self.faults.remove(fault)
        return fault

    def _number(self) -> int:
        self.next_id += 1
        return self.next_id


@dataclass(frozen=True)
class _Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    def encoded(self) -> bytes:
        return self.body.encode() if isinstance(self.body, str) else json.dumps(self.body).encode()


class _Refused(Exception):
    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def _error(status: int, code: str, text: str) -> _Reply:
    return _Reply(status, {"success": False, "error": code, "msg": text})


def _fresh(*, machine_id: int, price: float) -> dict[str, Any]:
    return {"machine_id": machine_id, "dph_total": price, "actual_status": "loading", "intended_status": "running"}


def _kind(method: str, path: str) -> CallKind | None:
    # Without its last slash Vast redirects, and a client that follows may lose its verb.
    match method, path.split("/"):
        case "POST", ["", "api", "v0", "bundles", ""]:
            return "search"
        case "PUT", ["", "api", "v0", "asks", number, ""] if number.isdigit():
            return "create"
        case "GET", ["", "api", "v1", "instances", ""]:
            return "list"
        case "DELETE", ["", "api", "v0", "instances", number, ""] if number.isdigit():
            return "destroy"
    return None


def _known(path: str) -> bool:
    return path.startswith(("/api/v0/bundles/", "/api/v0/asks/", "/api/v0/instances/", "/api/v1/instances/"))


def _last_number(path: str) -> int:
    return int(path.rstrip("/").rsplit("/", 1)[-1])


def _object(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body or b"{}")
    except ValueError:
        raise _Refused(400, "invalid_args", "Invalid json body") from None
    if not isinstance(read, dict):
        raise _Refused(400, "invalid_args", "must be dict of conditions")
    return read


def _only(given: dict[str, Any], known: frozenset[str]) -> None:
    if unknown := sorted(given.keys() - known):
        raise _Refused(400, "invalid_args", f"unknown: {', '.join(unknown)}")


def _meets(offer: dict[str, Any], name: str, conditions: Any) -> bool:
    if not isinstance(conditions, dict):
        raise _Refused(400, "bad_request", f"{name} must be an object of operators")
    value = offer[name]
    for operator, wanted in conditions.items():
        match operator:
            case "eq":
                met = value == wanted
            case "gte":
                met = value >= wanted
            case "lte":
                met = value <= wanted
            case "in":
                met = value in wanted
            case "notin":
                met = value not in wanted
            case _:
                raise _Refused(400, "bad_request", f"operator {operator!r}")
        if not met:
            return False
    return True


def _handler(peer: VastPeer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = peer.answer(self.command, self.path, headers, body)
            if reply is None:
                self.close_connection = True
                return
            # Whoever asked may have gone.
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(reply)

        def _send(self, reply: _Reply) -> None:
            content = reply.encoded()
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_POST = do_DELETE = _serve  # noqa: N815 - http.server looks for these names

        def log_message(self, *_: object) -> None:
            """Tests read `calls` instead."""

    return Handler


@contextmanager
def run_vast_peer() -> Generator[VastPeer]:
    """A peer on a free port, for as long as the block runs."""
    peer = VastPeer()
    with http_peer(_handler(peer), "vast-peer") as peer.url:
        yield peer
