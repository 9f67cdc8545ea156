"""Word lists written as running text."""


def word_set(block: str) -> frozenset[str]:
    """The words of a block, separated by white space."""
    return frozenset(block.split())
