"""Every object of the schemas that are ours, as text: two databases with the same snapshot have the same schema, grants included."""

from __future__ import annotations

import psycopg

_EVERYTHING = """
SELECT 'column ' || table_schema || '.' || table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || coalesce(column_default, '')
  FROM information_schema.columns WHERE table_schema IN ('maru', 'idp', 'local')
UNION ALL SELECT 'index ' || indexdef FROM pg_indexes WHERE schemaname IN ('maru', 'idp', 'local')
UNION ALL SELECT 'constraint ' || conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
  WHERE connamespace::regnamespace::text IN ('maru', 'idp', 'local') AND conrelid <> 0
UNION ALL SELECT 'policy ' || tablename || ' ' || policyname || ' ' || cmd || roles::text || coalesce(qual, '') || coalesce(with_check, '')
  FROM pg_policies WHERE schemaname IN ('maru', 'idp', 'local')
UNION ALL SELECT 'table ' || oid::regclass || relrowsecurity || relforcerowsecurity || coalesce(relacl::text, '') || coalesce(reloptions::text, '')
  FROM pg_class WHERE relnamespace::regnamespace::text IN ('maru', 'idp', 'local') AND relkind = 'r'
UNION ALL SELECT 'function ' || pg_get_functiondef(oid) || coalesce(proacl::text, '') FROM pg_proc
  WHERE pronamespace::regnamespace::text IN ('maru', 'idp', 'local')
UNION ALL SELECT 'trigger ' || pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
  WHERE NOT t.tgisinternal AND c.relnamespace::regnamespace::text IN ('maru', 'idp', 'local')
UNION ALL SELECT 'schema ' || nspname || coalesce(nspacl::text, '') FROM pg_namespace WHERE nspname IN ('maru', 'idp', 'local')
"""


def everything(dsn: str) -> set[str]:
    """Every object of the schemas that are ours, as text."""
    return {str(row[0]) for row in ask(dsn, _EVERYTHING)}


def ask(dsn: str, query: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]
