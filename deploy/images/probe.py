"""`python probe.py PATH`: whether the service of this container answers 200 on `$PORT`. It imports nothing that it can do without."""

import os
import socket
import sys

_PATIENCE_S = 2.5


def main() -> int:
    """The process's exit code."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/health"
    request = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(("127.0.0.1", int(os.environ["PORT"])), _PATIENCE_S) as connection:
            connection.sendall(request.encode())
            return 0 if connection.recv(64).split(b" ", 2)[1:2] == [b"200"] else 1
    except OSError:
        return 1


if __name__ == "__main__":
    sys.exit(main())
