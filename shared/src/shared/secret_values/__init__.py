"""Values of variables that name a secret instead of holding it: `sm://NAME` in Secret Manager, `file:///path` on a mounted volume.

    env = resolved(os.environ)

Where no variable names a secret, that is `os.environ` itself, and nothing is loaded.
"""

from shared.secret_values.environment import SecretEnvironment, process_environment, resolved
from shared.secret_values.errors import SecretUnreadable

__all__ = ["SecretEnvironment", "SecretUnreadable", "process_environment", "resolved"]
