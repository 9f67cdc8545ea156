"""Alembic's entry: one transaction per step, on psycopg so that a step may hold many statements."""

from alembic import context
from sqlalchemy import create_engine, pool
from sqlalchemy.engine import make_url


def run() -> None:
    """Run the asked steps, one runner at a time. What is committed is committed step by step: a step that fails leaves the one before it."""
    attributes = context.config.attributes
    url = make_url(attributes["dsn"]).set(drivername="postgresql+psycopg")
    limits = attributes["limits"]
    engine = create_engine(url, poolclass=pool.NullPool)
    with engine.connect() as connection:
        # An advisory lock belongs to the session, and so do these settings: through a transaction pooler they would be somebody else's.
        connection.exec_driver_sql(f"SET lock_timeout = {limits.turn_ms}")
        connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("SELECT pg_advisory_lock(hashtext('maru migrations'))")
        connection.exec_driver_sql(f"SET lock_timeout = {limits.lock_ms}")
        connection.exec_driver_sql(f"SET statement_timeout = {limits.statement_ms}")
        connection.commit()
        context.configure(
            connection=connection,
            version_table="maru_schema_revision",
            version_table_schema="public",
            target_metadata=None,
            transaction_per_migration=True,
        )
        with context.begin_transaction():
            context.run_migrations()


run()
