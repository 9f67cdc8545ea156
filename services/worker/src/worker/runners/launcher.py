"""Sets limits on itself and becomes a program: `launcher.py RLIMIT=VALUE … -- PROGRAM ARGUMENT …`. Started by path, without any package."""

import os
import resource
import signal
import sys


def main() -> None:
    """Between fork and exec nothing else can be done safely in a process with threads, so this is a process of its own."""
    separator = sys.argv.index("--")
    for limit in sys.argv[1:separator]:
        number, _, value = limit.partition("=")
        _, hard = resource.getrlimit(int(number))
        wanted = int(value) if hard == resource.RLIM_INFINITY else min(int(value), hard)
        resource.setrlimit(int(number), (wanted, wanted))
    # Python ignores these two, and what is ignored stays so in the program.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    program = sys.argv[separator + 1 :]
    try:
        os.execv(program[0], program)  # noqa: S606 - that is what this is for
    except OSError as error:
        sys.exit(f"{program[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
