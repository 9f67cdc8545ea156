"""`python -m deploy.checks`: every rule over every file; prints what breaks one and exits with 1."""

from __future__ import annotations

import sys
from pathlib import Path

from deploy.checks import locales, messaging, size_rule, sql_rule, tools, wall_rule
from deploy.checks.terraform import rule as terraform

ROOT = Path(__file__).resolve().parents[2]
RULES = (sql_rule, wall_rule, size_rule, locales, messaging, terraform, tools)


def main() -> int:
    """Run all rules."""
    complaints = [line for rule in RULES for line in rule.check(ROOT)]
    for line in sorted(complaints):
        print(line)  # noqa: T201 - a linter speaks on stdout
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
