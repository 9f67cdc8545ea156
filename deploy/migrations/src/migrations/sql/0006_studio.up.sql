-- Work that rented machines do. A job has one task for each input; a task is leased to one worker at a time.

-- The dispatcher chooses among the tasks of all tenants. It does so as a role that sees jobs and tasks, and nothing else of anybody.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'dispatcher') THEN
    BEGIN CREATE ROLE dispatcher NOLOGIN NOINHERIT; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
  END IF;
  GRANT dispatcher TO maru_inference;
END $$;
GRANT USAGE ON SCHEMA maru, auth TO dispatcher;

CREATE TABLE maru.jobs (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  owner_id uuid NOT NULL,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  kind text NOT NULL CHECK (kind IN ('inference', 'training')),
  runner text NOT NULL,
  params jsonb NOT NULL DEFAULT '{}',
  requires jsonb NOT NULL DEFAULT '{}',
  priority int NOT NULL DEFAULT 0,
  max_attempts int NOT NULL DEFAULT 3 CHECK (max_attempts BETWEEN 1 AND 20),
  file_results boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'draft' CHECK (status IN ('draft', 'queued', 'running', 'paused', 'done', 'failed', 'cancelled')),
  stream_id uuid,
  -- What has been folded in; rows of job_deltas that wait are not.
  total int NOT NULL DEFAULT 0,
  done int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  cancelled int NOT NULL DEFAULT 0,
  cost_micros bigint NOT NULL DEFAULT 0,
  run_ms bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  submitted_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  CHECK ((status IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL)),
  CHECK (done >= 0 AND failed >= 0 AND cancelled >= 0 AND done + failed + cancelled <= total)
) WITH (fillfactor = 70);
CREATE INDEX jobs_space ON maru.jobs (space_id, id DESC);
CREATE INDEX jobs_active ON maru.jobs (id) WHERE status IN ('queued', 'running');

-- Tasks that the same workers can do: one runner and one set of requirements, whoever asked. `turn` is the queue's virtual time, the highest turn
-- that a claim has taken: whoever comes new begins there, so that a space with three tasks does not wait for another's ten thousand.
CREATE TABLE maru.task_queues (
  id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  runner text NOT NULL,
  requires jsonb NOT NULL,
  turn bigint NOT NULL DEFAULT 0,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (runner, requires)
) WITH (fillfactor = 50);

CREATE TABLE maru.tasks (
  id uuid PRIMARY KEY,
  job_id uuid NOT NULL REFERENCES maru.jobs ON DELETE CASCADE,
  space_id uuid NOT NULL,
  seq int NOT NULL,
  queue_id int NOT NULL,
  priority int NOT NULL,
  turn bigint NOT NULL,
  -- delayed: waits for its next attempt (run_at); held: its job is paused. People see both as queued.
  status text NOT NULL DEFAULT 'queued'
    CHECK (status IN ('queued', 'delayed', 'held', 'processing', 'done', 'failed', 'cancelled')),
  run_at timestamptz NOT NULL DEFAULT now(),
  -- The fence: only a claim raises it and nothing resets it. Whoever names an older one has lost the lease.
  attempt int NOT NULL DEFAULT 0,
  failures smallint NOT NULL DEFAULT 0,
  max_failures smallint NOT NULL,
  lease_losses smallint NOT NULL DEFAULT 0,
  max_lease_losses smallint NOT NULL DEFAULT 3,
  -- The attempt whose report was accepted, and what was answered (done, failed, queued): the same report again gets the same answer.
  reported_attempt int,
  reported_status text,
  -- Who holds it, or held it last, and what an hour costs there; `lost_by` names those who fell silent with it.
  token_id text,
  worker_id uuid,
  worker_name text,
  price_micros_per_hour bigint NOT NULL DEFAULT 0,
  lost_by text[] NOT NULL DEFAULT '{}',
  claim_id uuid,
  claimed_at timestamptz,
  lease_expires_at timestamptz,
  progress real,
  input_path text,
  input_key text,
  input_name text,
  input_type text,
  input_size bigint,
  upload_id uuid,
  params jsonb,
  -- What an attempt was allowed to upload: {attempt, content_type, size, filename}.
  upload jsonb,
  output_key text,
  output_type text,
  output_name text,
  output_size bigint,
  metrics jsonb,
  error jsonb,
  cost_micros bigint NOT NULL DEFAULT 0,
  run_ms bigint NOT NULL DEFAULT 0,
  entry_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  UNIQUE (job_id, seq),
  CHECK ((status = 'processing') = (lease_expires_at IS NOT NULL)),
  CHECK ((status IN ('done', 'failed', 'cancelled')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 85, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500,
        autovacuum_vacuum_insert_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
-- None of these names lease_expires_at or progress: a heartbeat must stay an update in place.
CREATE INDEX tasks_ready ON maru.tasks (queue_id, turn, id) WHERE status = 'queued';
CREATE INDEX tasks_backlog ON maru.tasks (space_id, queue_id, turn) WHERE status = 'queued';
CREATE INDEX tasks_delayed ON maru.tasks (run_at) WHERE status = 'delayed';
CREATE INDEX tasks_running ON maru.tasks (job_id) WHERE status = 'processing';
CREATE INDEX tasks_claims ON maru.tasks (claim_id) WHERE status = 'processing' AND claim_id IS NOT NULL;

-- What finished since the job was last folded; inserted only, so that reports do not wait for one another on the job's row. No foreign key for the
-- same reason: its check would lock that row. What a deleted job leaves goes with the sweep.
CREATE TABLE maru.job_deltas (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  job_id uuid NOT NULL,
  space_id uuid NOT NULL,
  task_id uuid NOT NULL,
  gpu_name text,
  done int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  cancelled int NOT NULL DEFAULT 0,
  cost_micros bigint NOT NULL DEFAULT 0,
  run_ms bigint NOT NULL DEFAULT 0
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX job_deltas_job ON maru.job_deltas (job_id);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['jobs', 'tasks', 'job_deltas'] LOOP
    EXECUTE format('ALTER TABLE maru.%I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE maru.%I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY see ON maru.%I FOR SELECT TO authenticated USING (space_id = ANY ((SELECT maru.my_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY add ON maru.%I FOR INSERT TO authenticated WITH CHECK (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY change ON maru.%I FOR UPDATE TO authenticated USING (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[])) WITH CHECK (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY remove ON maru.%I FOR DELETE TO authenticated USING (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY work ON maru.%I TO space_worker USING (space_id = (SELECT maru.current_space())) WITH CHECK (space_id = (SELECT maru.current_space()))', t);
    EXECUTE format('CREATE POLICY dispatch ON maru.%I TO dispatcher USING (true) WITH CHECK (true)', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON maru.%I TO authenticated, space_worker', t);
  END LOOP;
END $$;
GRANT SELECT ON maru.jobs TO dispatcher;
GRANT SELECT, UPDATE ON maru.tasks TO dispatcher;
GRANT SELECT, INSERT, DELETE ON maru.job_deltas TO dispatcher;
GRANT INSERT ON maru.outbox TO dispatcher;
GRANT SELECT ON maru.task_queues TO authenticated, space_worker, maru_inference;
GRANT SELECT, UPDATE, DELETE ON maru.task_queues TO dispatcher;
GRANT SELECT ON maru.task_queues TO maru_api;

-- The queue for a runner and requirements, made when it is new.
CREATE FUNCTION maru.task_queue(p_runner text, p_requires jsonb) RETURNS int LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
DECLARE found int;
BEGIN
  SELECT id INTO found FROM task_queues WHERE runner = p_runner AND requires = p_requires;
  IF found IS NULL THEN
    INSERT INTO task_queues (runner, requires) VALUES (p_runner, p_requires) ON CONFLICT DO NOTHING;
    SELECT id INTO STRICT found FROM task_queues WHERE runner = p_runner AND requires = p_requires;
  END IF;
  RETURN found;
END $$;
-- Room for `p_count` tasks of a space in a queue: they get the turns after the answer. They stand behind the space's own tasks of the same or a
-- higher priority and before those of a lower one, and next to, not behind, those of every other space.
CREATE FUNCTION maru.place_tasks(p_space uuid, p_queue int, p_priority int, p_count int) RETURNS bigint
LANGUAGE plpgsql SET search_path = maru AS $$
DECLARE base bigint;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended(p_space::text || p_queue::text, 6));
  SELECT greatest(q.turn, (SELECT max(t.turn) FROM tasks t
      WHERE t.space_id = p_space AND t.queue_id = p_queue AND t.status = 'queued' AND t.priority >= p_priority))
    INTO STRICT base FROM task_queues q WHERE q.id = p_queue;
  UPDATE tasks SET turn = turn + p_count
    WHERE space_id = p_space AND queue_id = p_queue AND status = 'queued' AND priority < p_priority AND turn > base;
  RETURN base;
END $$;

-- A token that workers hold, and nothing else. Its secret is told once and kept as a hash; two versions may live at a time.
CREATE TABLE maru.worker_tokens (
  id text PRIMARY KEY CHECK (id ~ '^[a-z0-9]{12}$'),
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
  -- NULL: every space, every runner.
  space_ids uuid[],
  runners text[],
  price_micros_per_hour bigint NOT NULL DEFAULT 0 CHECK (price_micros_per_hour >= 0),
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  last_used_at timestamptz
);
CREATE TABLE maru.worker_token_versions (
  token_id text NOT NULL REFERENCES maru.worker_tokens ON DELETE CASCADE,
  version int NOT NULL,
  sha256 bytea NOT NULL CHECK (length(sha256) = 32),
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  PRIMARY KEY (token_id, version)
);
CREATE TABLE maru.workers (
  id uuid PRIMARY KEY,
  token_id text NOT NULL REFERENCES maru.worker_tokens ON DELETE CASCADE,
  worker_id text NOT NULL CHECK (length(worker_id) BETWEEN 1 AND 200),
  capabilities jsonb NOT NULL DEFAULT '{}',
  version text,
  registered_at timestamptz NOT NULL DEFAULT now(),
  seen_at timestamptz NOT NULL DEFAULT now(),
  draining boolean NOT NULL DEFAULT false,
  stopped_at timestamptz,
  UNIQUE (token_id, worker_id)
) WITH (fillfactor = 70);
CREATE INDEX workers_seen ON maru.workers (seen_at);

-- Hosts that were rented, and what for. `label` is how a host is found again when our own record of it is lost.
CREATE TABLE maru.gpu_hosts (
  id uuid PRIMARY KEY,
  provider text NOT NULL,
  provider_id text,
  label text NOT NULL UNIQUE,
  -- The provider's name for the machine itself: one that failed us is not rented again soon.
  machine_id text,
  gpu_name text,
  gpu_memory_gib real NOT NULL DEFAULT 0,
  price_micros_per_hour bigint NOT NULL CHECK (price_micros_per_hour >= 0),
  status text NOT NULL CHECK (status IN ('starting', 'running', 'stopping', 'stopped')),
  token_id text,
  created_at timestamptz NOT NULL DEFAULT now(),
  ready_at timestamptz,
  idle_since timestamptz,
  drain_at timestamptz,
  stopped_at timestamptz,
  reason text,
  cost_micros bigint NOT NULL DEFAULT 0,
  UNIQUE (provider, provider_id),
  CHECK ((status = 'stopped') = (stopped_at IS NOT NULL))
);
CREATE INDEX gpu_hosts_live ON maru.gpu_hosts (id) WHERE status <> 'stopped';

-- How long a runner's tasks took, everywhere, for estimates: sums only, which tell nothing of anybody.
CREATE TABLE maru.runner_times (
  runner text NOT NULL,
  gpu_name text NOT NULL,
  tasks bigint NOT NULL,
  run_ms bigint NOT NULL,
  cost_micros bigint NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (runner, gpu_name)
) WITH (fillfactor = 50);

-- When somebody last looked for lost leases. A long gap is our own absence, for which no worker is to blame.
CREATE TABLE maru.dispatch_clock (
  id int PRIMARY KEY DEFAULT 1 CHECK (id = 1),
  looked_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 10);
INSERT INTO maru.dispatch_clock DEFAULT VALUES;

GRANT SELECT, INSERT, UPDATE, DELETE ON maru.worker_tokens, maru.worker_token_versions TO maru_api, maru_inference;
GRANT SELECT, UPDATE, DELETE ON maru.workers TO maru_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON maru.workers, maru.gpu_hosts, maru.runner_times TO maru_inference;
GRANT SELECT ON maru.worker_tokens, maru.worker_token_versions, maru.workers TO dispatcher;
GRANT UPDATE (seen_at) ON maru.workers TO dispatcher;
GRANT UPDATE (last_used_at) ON maru.worker_tokens TO dispatcher;
GRANT SELECT, UPDATE ON maru.dispatch_clock TO dispatcher;
GRANT SELECT ON maru.gpu_hosts, maru.runner_times TO maru_api;
REVOKE ALL ON FUNCTION maru.task_queue(text, jsonb), maru.place_tasks(uuid, int, int, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.task_queue(text, jsonb), maru.place_tasks(uuid, int, int, int) TO authenticated, space_worker;
