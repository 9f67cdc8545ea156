"""The database schema, one numbered step at a time.

Each step is a pair of SQL files in `sql/` (`NNNN_name.up.sql`, `NNNN_name.down.sql`) behind a short Alembic revision in `versions/`. A revision whose
module says `phase = "post"` waits until no older code serves (`plan.py`).
"""

from migrations.passwords import LOGIN_ROLES, UnfitPassword, set_passwords
from migrations.plan import OutOfOrder, Phase, Step, allowed, pending
from migrations.runner import DEFAULT_LIMITS, Limits, current_revision, downgrade, head_revision, steps, upgrade

__all__ = [
    "DEFAULT_LIMITS",
    "LOGIN_ROLES",
    "Limits",
    "OutOfOrder",
    "Phase",
    "Step",
    "UnfitPassword",
    "allowed",
    "current_revision",
    "downgrade",
    "head_revision",
    "pending",
    "set_passwords",
    "steps",
    "upgrade",
]
