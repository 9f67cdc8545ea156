"""`python -m shared.testing.google_peer`: a peer of its own, until it is told to end. Prints one line of JSON with its variables."""

from __future__ import annotations

import argparse
import json
import signal
import threading

from shared.deliveries import ROUTES, TOPICS
from shared.settings import ServiceUrls
from shared.testing.google_peer.peer import run_google_peer
from shared.testing.google_peer.provision import provision


def main() -> None:
    """Serve; with `--account` everything that deployment makes is there."""
    import os

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--account", help="service account of pushes; also make topics, subscriptions and queues")
    parser.add_argument("--project", default="maru-test")
    parser.add_argument("--region", default="asia-northeast3")
    parser.add_argument("--unheard", action="store_true", help="make no subscriptions: facts are taken and kept")
    parser.add_argument("--hurry", type=float, default=1.0, help="divides waits and deadlines")
    chosen = parser.parse_args()
    with run_google_peer(chosen.hurry) as peer:
        if chosen.account:
            urls = ServiceUrls.from_env(os.environ)
            services = {"api": urls.api, "ingest": urls.ingest, "inference": urls.inference}
            routes = [route for route in ROUTES if route.kind == "task" or not chosen.unheard]
            provision(
                peer, routes, services, chosen.account, project=chosen.project, region=chosen.region, topics=TOPICS
            )
        print(json.dumps(peer.env), flush=True)  # noqa: T201 - whoever started it reads this line
        stop = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: stop.set())
        stop.wait()


if __name__ == "__main__":
    main()
