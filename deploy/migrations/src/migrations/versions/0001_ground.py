"""Roles, tenants, outbox, inbox, streams: what every feature stands on."""

from migrations.step import run_sql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Apply the step."""
    run_sql("0001_ground.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0001_ground.down")
