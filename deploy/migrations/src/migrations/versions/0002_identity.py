"""The built-in identity provider and the browser sessions of the web app."""

from migrations.step import run_sql

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply the step."""
    run_sql("0002_identity.up")


def downgrade() -> None:
    """Undo the step."""
    run_sql("0002_identity.down")
