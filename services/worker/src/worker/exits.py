"""How the agent ends, by sysexits.h where it has a word for it."""

FINISHED = 0
# The command was used where it cannot work.
USAGE = 64
# Somebody else works in the same folder.
BUSY = 75
# The token is not, or no longer, accepted.
NO_PERMISSION = 77
# What was configured cannot work: an address, a runner, a file of commands.
CONFIG = 78


class CannotWork(Exception):
    """The agent cannot go on, and a person has to change something; `code` is how the process ends."""

    def __init__(self, detail: str, code: int = CONFIG) -> None:
        self.code = code
        super().__init__(detail)
