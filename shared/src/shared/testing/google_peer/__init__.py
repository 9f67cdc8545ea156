"""Google as far as the product speaks to it: Pub/Sub, Cloud Tasks, Secret Manager and the certificates of its tokens, on the wire.

Requests are read with the client libraries' own message classes, so what the peer takes is what the real service would parse; names, sizes, times and
limits are checked against Google's documents. `hurry` divides the times that a test would otherwise have to wait for.
"""

from shared.testing.google_peer.faults import Fault
from shared.testing.google_peer.peer import GooglePeer, run_google_peer
from shared.testing.google_peer.provision import provision

__all__ = ["Fault", "GooglePeer", "provision", "run_google_peer"]
