"""What keeps Maru from starting, said in one sentence."""


class CannotStart(Exception):
    """Maru cannot start; the message is one sentence for the person at the terminal and says what to do."""
