"""Conversations, messages, cached answers."""

from migrations.step import run_sql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0004_conversation.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0004_conversation.down")
