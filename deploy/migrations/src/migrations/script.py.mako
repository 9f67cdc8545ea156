"""${message}."""

from migrations.step import run_sql

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    run_sql(f"{revision}_name.up")


def downgrade() -> None:
    run_sql(f"{revision}_name.down")
