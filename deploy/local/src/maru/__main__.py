"""`python -m maru`."""

from maru.cli import main

main()
