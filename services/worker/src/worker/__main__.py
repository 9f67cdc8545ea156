"""`python -m worker`: the GPU agent. It takes tasks from a Maru dispatcher, works on them here and hands in what came out."""

from __future__ import annotations

import sys


def main() -> int:
    """The process's exit code, with what a person has to change on stderr."""
    from worker.command import run

    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
