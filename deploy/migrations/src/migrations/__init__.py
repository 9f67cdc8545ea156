"""The database schema, one numbered step at a time.

Each step is a pair of SQL files in `sql/` (`NNNN_name.up.sql`, `NNNN_name.down.sql`) behind a two-line Alembic revision in `versions/`.
"""

from migrations.runner import current_revision, downgrade, head_revision, upgrade

__all__ = ["current_revision", "downgrade", "head_revision", "upgrade"]
