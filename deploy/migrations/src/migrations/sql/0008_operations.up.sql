-- What whoever runs the installation sees of everybody's work: numbers, ids and codes, never names, inputs or parameters. Each function asks for itself
-- whether an administrator calls, so that a route that forgets to ask shows nothing.
CREATE FUNCTION maru.administers() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS
  $$ SELECT EXISTS (SELECT FROM profiles WHERE user_id = auth.uid() AND is_admin) $$;

-- `run_at` of a queued task is since when it has been ready.
CREATE FUNCTION maru.queue_summary() RETURNS TABLE (id int, runner text, requires jsonb, queued bigint, delayed bigint, held bigint, processing bigint,
  spaces_waiting bigint, oldest_queued_at timestamptz, oldest_wait_s double precision)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  WITH counts AS (
    SELECT queue_id, count(*) AS queued, 0 AS delayed, 0 AS held, 0 AS processing, count(DISTINCT space_id) AS spaces, min(run_at) AS oldest
      FROM tasks WHERE status = 'queued' GROUP BY queue_id
    UNION ALL SELECT queue_id, 0, count(*), 0, 0, 0, NULL FROM tasks WHERE status = 'delayed' GROUP BY queue_id
    UNION ALL SELECT queue_id, 0, 0, 0, count(*), 0, NULL FROM tasks WHERE status = 'processing' GROUP BY queue_id
    -- Only a paused job holds tasks; there is no index of them.
    UNION ALL SELECT t.queue_id, 0, 0, count(*), 0, 0, NULL
      FROM jobs j JOIN tasks t ON t.job_id = j.id AND t.status = 'held' WHERE j.status = 'paused' GROUP BY t.queue_id)
  SELECT q.id, q.runner, q.requires, sum(c.queued)::bigint, sum(c.delayed)::bigint, sum(c.held)::bigint, sum(c.processing)::bigint,
    sum(c.spaces)::bigint, min(c.oldest), extract(epoch FROM now() - min(c.oldest))::double precision
  FROM counts c JOIN task_queues q ON q.id = c.queue_id
  WHERE administers() GROUP BY q.id ORDER BY 4 DESC, 7 DESC, q.id LIMIT 200 $$;

-- At most so many of each worker; `held` counts all of that worker's.
CREATE FUNCTION maru.tasks_in_hand(p_each int) RETURNS TABLE (worker_id uuid, held bigint, task_id uuid, job_id uuid, runner text, attempt int,
  progress real, claimed_at timestamptz, lease_expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT t.worker_id, t.held, t.id, t.job_id, j.runner, t.attempt, t.progress, t.claimed_at, t.lease_expires_at
  FROM (SELECT *, count(*) OVER (PARTITION BY worker_id) AS held, row_number() OVER (PARTITION BY worker_id ORDER BY claimed_at, id) AS place
        FROM tasks WHERE status = 'processing') t JOIN jobs j ON j.id = t.job_id
  WHERE t.place <= p_each AND administers() ORDER BY t.worker_id, t.place $$;

-- Dead letters: what was given up. Pages go by time and then by id as text, since the kinds have ids of different types.
CREATE INDEX tasks_failed ON maru.tasks (finished_at) WHERE status = 'failed';
CREATE FUNCTION maru.failed_tasks(p_before timestamptz, p_before_id text, p_limit int) RETURNS TABLE (id uuid, job_id uuid, space_id uuid, runner text,
  code text, attempts int, died_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT t.id, t.job_id, t.space_id, j.runner, coalesce(t.error ->> 'code', 'unknown'), t.attempt, t.finished_at
  FROM tasks t JOIN jobs j ON j.id = t.job_id
  WHERE t.status = 'failed' AND administers()
    AND (p_before IS NULL OR (t.finished_at <= p_before AND (t.finished_at, ('task-' || t.id) COLLATE "C") < (p_before, p_before_id)))
  ORDER BY t.finished_at DESC, ('task-' || t.id) COLLATE "C" DESC LIMIT p_limit $$;
CREATE FUNCTION maru.failed_task_owner(p_task uuid) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT j.owner_id FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.id = p_task AND t.status = 'failed' AND administers() $$;
CREATE FUNCTION maru.dead_deliveries(p_before timestamptz, p_before_id text, p_limit int) RETURNS TABLE (id bigint, subscription text, attempts int,
  died_at timestamptz, cause text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT d.id, d.subscription, d.attempts, d.dead_at, left(coalesce(d.last_error, ''), 300) FROM local.deliveries d
  WHERE d.dead_at IS NOT NULL AND administers()
    AND (p_before IS NULL OR (d.dead_at <= p_before AND (d.dead_at, ('message-' || d.id) COLLATE "C") < (p_before, p_before_id)))
  ORDER BY d.dead_at DESC, ('message-' || d.id) COLLATE "C" DESC LIMIT p_limit $$;
CREATE FUNCTION maru.retry_delivery(p_id bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  UPDATE local.deliveries SET dead_at = NULL, attempts = 0, run_at = now(), last_error = NULL WHERE id = p_id AND dead_at IS NOT NULL AND administers();
  RETURN FOUND;
END $$;
CREATE FUNCTION maru.set_aside_messages(p_before timestamptz, p_before_id text, p_limit int) RETURNS TABLE (id uuid, consumer text, topic text,
  reason text, died_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT m.id, m.consumer, m.topic, m.reason, m.parked_at FROM parked_messages m
  WHERE administers() AND (p_before IS NULL OR (m.parked_at <= p_before AND (m.parked_at, ('parked-' || m.id) COLLATE "C") < (p_before, p_before_id)))
  ORDER BY m.parked_at DESC, ('parked-' || m.id) COLLATE "C" DESC LIMIT p_limit $$;
REVOKE ALL ON FUNCTION maru.administers(), maru.queue_summary(), maru.tasks_in_hand(int), maru.failed_tasks(timestamptz, text, int),
  maru.failed_task_owner(uuid), maru.dead_deliveries(timestamptz, text, int), maru.retry_delivery(bigint),
  maru.set_aside_messages(timestamptz, text, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.queue_summary(), maru.tasks_in_hand(int), maru.failed_tasks(timestamptz, text, int), maru.failed_task_owner(uuid),
  maru.dead_deliveries(timestamptz, text, int), maru.retry_delivery(bigint), maru.set_aside_messages(timestamptz, text, int) TO authenticated;

-- The gateway listens too, and sets aside what it cannot understand.
GRANT SELECT, INSERT, DELETE ON maru.parked_messages TO maru_api;

-- Why a result did not become an entry: {code, detail}.
ALTER TABLE maru.tasks ADD COLUMN filing_error jsonb;
