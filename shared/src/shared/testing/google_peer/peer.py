"""The peer itself: one gRPC port for the three services, one HTTP port for the certificates."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

import grpc

from shared.testing.google_peer import pubsub, secrets, tasks
from shared.testing.google_peer.faults import Fault, Faults, Refusal
from shared.testing.google_peer.scheduling import Scheduler
from shared.testing.google_peer.tokens import GoogleSigner
from shared.testing.http_peer import http_peer

Method = tuple[type[Any], Callable[[Any], Any], str]
_THREADS = 24
_LOOKED_EVERY_S = 0.01


class GooglePeer:
    """Google, as one process of its own or inside a test. `away` and `back` take it from the network and return it, with everything it knows."""

    def __init__(self, hurry: float = 1.0) -> None:
        self.signer = GoogleSigner()
        self.faults = Faults()
        self.calls: Counter[str] = Counter()
        """How often each method was called, refused calls included."""
        self.jwks_url = ""
        self.jwks_asked = 0
        self._scheduler = Scheduler()
        self.pubsub = pubsub.PubSub(self._scheduler, self.signer, self.faults, hurry)
        self.tasks = tasks.CloudTasks(self._scheduler, self.signer, self.faults, hurry)
        self.secrets = secrets.SecretManager()
        self._methods = pubsub.routes(self.pubsub) | tasks.routes(self.tasks) | secrets.routes(self.secrets)
        self._closing = threading.Event()
        self._server: grpc.Server | None = None
        self._port = 0
        self.back()

    @property
    def address(self) -> str:
        """host:port of the gRPC services, without TLS."""
        return f"127.0.0.1:{self._port}"

    @property
    def env(self) -> dict[str, str]:
        """The variables that lead clients here."""
        names = ("PUBSUB_EMULATOR_HOST", "CLOUD_TASKS_EMULATOR_HOST", "SECRET_MANAGER_EMULATOR_HOST")
        return dict.fromkeys(names, self.address) | {"PUSH_JWKS_URL": self.jwks_url}

    def fault(self, method: str, times: int = 1, **more: Any) -> None:
        """Let the next calls of `method` go wrong; see `Fault`."""
        self.faults.add(Fault(method, times, **more))

    def away(self) -> None:
        """Hang up on everybody and refuse connections; what was taken is still delivered."""
        if self._server is not None:
            self._server.stop(0).wait()
            self._server = None

    def back(self) -> None:
        """Listen on the same port (again)."""
        # Without SO_REUSEPORT: two peers must not share a port.
        server = grpc.server(
            ThreadPoolExecutor(_THREADS, "google-peer-grpc"), options=[("grpc.so_reuseport", 0), *_SIZES]
        )
        server.add_generic_rpc_handlers((_Handler(self._methods, self._answer),))
        self._port = server.add_insecure_port(f"127.0.0.1:{self._port}")
        server.start()
        self._server = server

    def close(self) -> None:
        """End, also what is being delivered."""
        self._closing.set()
        self.away()
        self._scheduler.close()

    def _answer(self, name: str, method: Method, request: Any, context: Any) -> Any:
        _, function, field = method
        short, resource = name.rsplit("/", 1)[-1], str(getattr(request, field, ""))
        self.calls[short] += 1
        fault = self.faults.take(short, resource)
        try:
            _check_routing(context, request, field)
            if fault is not None:
                self._go_wrong(fault, context)
            answer = function(request)
        except Refusal as refusal:
            context.abort(refusal.status, refusal.text)
        if fault is not None and fault.lost:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the answer was lost")
        return answer

    def _go_wrong(self, fault: Fault, context: Any) -> None:
        ends_at = time.monotonic() + fault.stall_s
        while time.monotonic() < ends_at and not self._closing.wait(_LOOKED_EVERY_S):
            if not context.is_active() and not fault.lost:
                raise Refusal("CANCELLED", "the client has gone")
        if fault.status is not None:
            raise Refusal(fault.status, "injected by the test")


_SIZES = [("grpc.max_receive_message_length", 32 * 1024 * 1024)]


class _Handler(grpc.GenericRpcHandler):  # type: ignore[type-arg]  # generic in the stubs alone
    def __init__(self, methods: dict[str, Method], answer: Callable[..., Any]) -> None:
        self._methods, self._answer = methods, answer

    def service(self, handler_call_details: Any) -> Any:
        name = handler_call_details.method
        method = self._methods.get(name)
        if method is None:
            return None
        return grpc.unary_unary_rpc_method_handler(
            lambda request, context: self._answer(name, method, request, context), method[0].deserialize, _serialise
        )


def _serialise(message: Any) -> bytes:
    plain = message if hasattr(message, "SerializeToString") else type(message).pb(message)
    return bytes(plain.SerializeToString())


def _check_routing(context: Any, request: Any, field: str) -> None:
    """Google routes by a header that repeats the resource; a client that leaves it out may be refused."""
    from urllib.parse import parse_qs

    given = parse_qs(dict(context.invocation_metadata()).get("x-goog-request-params", ""))
    if not any(str(getattr(request, field)) in values for values in given.values()):
        raise Refusal("INVALID_ARGUMENT", f"x-goog-request-params does not name {field}.")


def _certificates(peer: GooglePeer) -> type[BaseHTTPRequestHandler]:
    document = json.dumps(peer.signer.jwks()).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            peer.jwks_asked += 1
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(document)))
            self.end_headers()
            self.wfile.write(document)

        def log_message(self, *_: object) -> None:
            """Tests read `jwks_asked` instead."""

    return Handler


@contextmanager
def run_google_peer(hurry: float = 1.0) -> Generator[GooglePeer]:
    """A peer on free ports, for as long as the block runs."""
    with ExitStack() as stack:
        peer = GooglePeer(hurry)
        stack.callback(peer.close)
        base = stack.enter_context(http_peer(_certificates(peer), "google-certificates"))
        peer.jwks_url = f"{base}/oauth2/v3/certs"
        yield peer
