"""How much one call and one space may ask for."""

MOST_INPUTS = 50_000
"""Tasks of one call."""

MOST_UNFINISHED = 200_000
"""Tasks of one space that are not finished."""

MOST_PARAMS_BYTES = 64 * 1024
"""A job's parameters as JSON."""

MOST_ITEM_PARAMS_BYTES = 16 * 1024
"""One task's own parameters as JSON."""

READING_S = 300
"""How long an address of an input or output is good for, and a link to all results."""
