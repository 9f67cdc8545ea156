#!/bin/sh
# Prints a Python that Maru runs on, or says which one is needed.
set -eu
for candidate in ${PYTHON:-} python3.13 python3.12 python3.11 python3 python python3.14; do
  if command -v "$candidate" >/dev/null 2>&1 \
    && "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' >/dev/null 2>&1; then
    "$candidate" -c 'import sys; print(sys.executable)'
    exit 0
  fi
done
printf 'maru: Python 3.11 or newer is needed and none was found: install it, or name it with PYTHON=/path/to/python.\n' >&2
exit 1
