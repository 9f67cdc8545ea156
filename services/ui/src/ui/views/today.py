"""Today: what was understood last, and what happened on this day."""


def render() -> None:
    return None
