"""`python -m shared.testing.curl`: the few flags of curl that the documentation uses, for machines that have none."""

from __future__ import annotations

import argparse
import sys

import httpx


def main() -> int:
    """The exit status of `curl --fail-with-body`."""
    parser = argparse.ArgumentParser(prog="curl")
    for silent in ("-s", "-S", "-N", "--fail-with-body"):
        parser.add_argument(silent, action="store_true")
    parser.add_argument("url")
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="data")
    parser.add_argument("--data-binary", dest="file", type=lambda name: name.removeprefix("@"))
    parser.add_argument("--max-time", type=float, default=60)
    asked = parser.parse_args()
    content = asked.data.encode() if asked.data is not None else None
    if asked.file:
        with open(asked.file, "rb") as file:  # noqa: PTH123 - a name from the command line
            content = file.read()
    headers = dict(header.split(": ", 1) for header in asked.headers)
    method = asked.method or ("POST" if content is not None else "GET")
    answer = httpx.request(method, asked.url, headers=headers, content=content, timeout=asked.max_time, trust_env=False)
    sys.stdout.write(answer.text + "\n")
    return 0 if answer.is_success else 22


if __name__ == "__main__":
    sys.exit(main())
