"""`python -m worker`: the GPU agent. This release has no runner, and it says so instead of polling for work it could not do."""

import sys

# sysexits.h: the command was used where it cannot work.
EX_USAGE = 64

MESSAGE = (
    "worker: this release has no jobs and no runner, so there is nothing to work on. "
    "Nothing was contacted. Notes, photos, audio and documents are processed by `python -m ingest`."
)


def main() -> int:
    """Say what is missing and end with a code that a process supervisor does not take for success."""
    print(MESSAGE, file=sys.stderr)  # noqa: T201 - it is a command
    return EX_USAGE


if __name__ == "__main__":
    sys.exit(main())
