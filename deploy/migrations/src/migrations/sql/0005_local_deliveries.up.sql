-- What stands in for Pub/Sub subscriptions and Cloud Tasks queues on one machine: one row for each message and each of its receivers.
-- In the cloud this schema stays empty.
CREATE SCHEMA local;
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'maru_deliverer') THEN
    BEGIN CREATE ROLE maru_deliverer LOGIN NOINHERIT; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
  END IF;
  ALTER ROLE maru_deliverer SET search_path = maru, public;
END $$;

CREATE TABLE local.deliveries (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  message_id uuid NOT NULL,
  subscription text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('event', 'task')),
  -- Messages with one key reach one subscription in the order of their outbox rows.
  key text,
  seq bigint NOT NULL,
  body jsonb NOT NULL,
  published_at timestamptz NOT NULL,
  -- The earliest next attempt. A claim moves it behind the attempt's deadline, so a deliverer that dies gives the row back by itself.
  run_at timestamptz NOT NULL DEFAULT now(),
  claimed_by int,
  attempts int NOT NULL DEFAULT 0,
  dead_at timestamptz,
  last_error text,
  UNIQUE (message_id, subscription),
  CHECK (dead_at IS NULL OR claimed_by IS NULL)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX deliveries_ready ON local.deliveries (subscription, run_at, seq) WHERE dead_at IS NULL;
CREATE INDEX deliveries_order ON local.deliveries (subscription, key, seq) WHERE key IS NOT NULL AND dead_at IS NULL;
CREATE INDEX deliveries_claimed ON local.deliveries (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX deliveries_dead ON local.deliveries (dead_at) WHERE dead_at IS NOT NULL;

-- A task's name stays taken for a while after it ran, so that naming it again does not run it again.
CREATE TABLE local.finished_tasks (
  message_id uuid PRIMARY KEY,
  finished_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX finished_tasks_age ON local.finished_tasks (finished_at);

GRANT USAGE ON SCHEMA maru, local TO maru_deliverer;
GRANT SELECT, UPDATE, DELETE ON maru.outbox TO maru_deliverer;
GRANT SELECT, INSERT, UPDATE, DELETE ON local.deliveries, local.finished_tasks TO maru_deliverer;
