-- The statements of the dispatcher. Each is one function, so that a call costs one round trip and one commit, and each becomes the role `dispatcher`
-- before it touches anything of a tenant. They answer an array of text whose first element is why the worker's token is refused, or empty.
--
-- The planner settings hold for these functions alone: a plan that was made while the tables were small would otherwise read all of them when they
-- are large. Locks on tasks are taken in the order of their ids (callers sort), so that two calls about the same tasks cannot wait for each other.

-- Why a token is refused. The digest is of 32 random bytes: how far two digests agree tells nobody anything.
CREATE FUNCTION maru.worker_token_refused(p_token text, p_sha256 bytea) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE revoked timestamptz; expires timestamptz;
BEGIN
  SELECT k.revoked_at, v.expires_at INTO revoked, expires FROM maru.worker_token_versions v JOIN maru.worker_tokens k ON k.id = v.token_id
    WHERE v.token_id = p_token AND v.sha256 = p_sha256 ORDER BY v.version DESC LIMIT 1;
  RETURN CASE WHEN NOT FOUND THEN 'worker_token_invalid' WHEN revoked IS NOT NULL THEN 'worker_token_revoked'
    WHEN expires <= now() THEN 'worker_token_expired' ELSE '' END;
END $$;

-- How long an attempt took: what the worker measured, but no longer than it held the task by our clock. Zero when it had been given up before.
CREATE FUNCTION maru.attempt_ms(p_claimed_at timestamptz, p_run_ms bigint) RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(greatest(0, least(p_run_ms, (extract(epoch FROM now() - p_claimed_at) * 1000)::bigint)), 0)
    * CASE WHEN p_claimed_at IS NULL THEN 0 ELSE 1 END $$;
CREATE FUNCTION maru.cost_micros(p_ms bigint, p_micros_per_hour bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
  SELECT round(p_ms::numeric * p_micros_per_hour / 3600000)::bigint $$;

-- Makes a worker known under its name, or finds it; `p_register` also lets it work again after it had drained.
-- Answers {refusal, id, draining, capabilities}.
CREATE FUNCTION maru.enrol_worker(p_token text, p_sha256 bytea, p_id uuid, p_worker text, p_capabilities jsonb, p_version text, p_register boolean)
RETURNS text[] LANGUAGE plpgsql SET search_path = maru AS $$
DECLARE refused text := worker_token_refused(p_token, p_sha256); w workers;
BEGIN
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  INSERT INTO workers AS k (id, token_id, worker_id, capabilities, version) VALUES (p_id, p_token, p_worker, coalesce(p_capabilities, '{}'), p_version)
    ON CONFLICT (token_id, worker_id) DO UPDATE SET seen_at = now(), capabilities = coalesce(p_capabilities, k.capabilities),
      version = coalesce(p_version, k.version), draining = k.draining AND NOT p_register,
      stopped_at = CASE WHEN p_register THEN NULL ELSE k.stopped_at END
    RETURNING * INTO w;
  UPDATE worker_tokens SET last_used_at = now() WHERE id = p_token AND (last_used_at IS NULL OR last_used_at < now() - interval '5 seconds');
  RETURN ARRAY['', w.id::text, w.draining::text, w.capabilities::text];
END $$;
CREATE FUNCTION maru.drain_worker(p_token text, p_sha256 bytea, p_worker text) RETURNS text[] LANGUAGE plpgsql SET search_path = maru AS $$
DECLARE refused text := worker_token_refused(p_token, p_sha256);
BEGIN
  IF refused = '' THEN
    UPDATE workers SET draining = true, stopped_at = now(), seen_at = now() WHERE token_id = p_token AND worker_id = p_worker;
  END IF;
  RETURN ARRAY[refused];
END $$;

-- A task as a worker is told of it.
CREATE FUNCTION maru.leased_task(t maru.tasks, j maru.jobs) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_build_object('task_id', t.id, 'job_id', t.job_id, 'attempt', t.attempt, 'input_path', t.input_path, 'input_name', t.input_name,
    'input_type', t.input_type, 'input_size', t.input_size, 'runner', j.runner, 'params', j.params || coalesce(t.params, '{}'),
    'lease_expires_at', t.lease_expires_at) $$;
-- Up to `p_count` tasks of one queue, as the worker is told of them; a task with which a worker fell silent before is taken alone, so that it takes
-- no other with it.
CREATE FUNCTION maru.take_tasks(p_queue int, p_spaces uuid[], p_count int, p_token text, p_worker uuid, p_name text, p_price bigint, p_claim uuid,
  p_lease_s double precision, OUT document text, OUT jobs text[], OUT taken bigint, OUT last_turn bigint) LANGUAGE plpgsql AS $$
DECLARE within uuid[];
BEGIN
  IF p_spaces IS NOT NULL THEN
    SELECT array_agg(r.id) INTO within FROM (
      SELECT t.id FROM unnest(p_spaces) s (space_id) CROSS JOIN LATERAL (
        SELECT x.id, x.turn FROM maru.tasks x WHERE x.status = 'queued' AND x.queue_id = p_queue AND x.space_id = s.space_id
        ORDER BY x.turn LIMIT p_count FOR UPDATE SKIP LOCKED) t ORDER BY t.turn, t.id LIMIT p_count) r;
    IF within IS NULL THEN RETURN; END IF;
  END IF;
  WITH ready AS MATERIALIZED (
    SELECT t.id, t.turn, t.lease_losses > 0 AS alone FROM maru.tasks t
    WHERE within IS NULL AND t.status = 'queued' AND t.queue_id = p_queue ORDER BY t.turn, t.id LIMIT p_count FOR UPDATE SKIP LOCKED
  ), chosen AS MATERIALIZED (
    SELECT * FROM ready UNION ALL
    SELECT t.id, t.turn, t.lease_losses > 0 FROM unnest(within) x (id) JOIN maru.tasks t ON t.id = x.id AND t.status = 'queued'
  ), ranked AS (
    SELECT id, alone, row_number() OVER w AS place, first_value(alone) OVER w AS first_alone FROM chosen WINDOW w AS (ORDER BY turn, id)
  ), given AS (
    UPDATE maru.tasks t SET status = 'processing', attempt = t.attempt + 1, token_id = p_token, worker_id = p_worker, worker_name = p_name,
      price_micros_per_hour = p_price, claim_id = p_claim, claimed_at = now(), lease_expires_at = now() + make_interval(secs => p_lease_s),
      progress = NULL, upload = NULL
    FROM ranked r WHERE t.id = r.id AND CASE WHEN r.first_alone THEN r.place = 1 ELSE NOT r.alone END
    RETURNING t.*)
  SELECT json_agg(maru.leased_task(t, j) ORDER BY t.turn, t.id)::text, array_agg(DISTINCT t.job_id || ':' || t.space_id), count(*), max(t.turn)
    INTO document, jobs, taken, last_turn FROM given t JOIN maru.jobs j ON j.id = t.job_id;
END $$;

-- Gives tasks to a worker from the queues that it can serve, which the caller has put in order: of the heads that one space has in them the one of the
-- highest priority goes first. The same `p_claim` again answers what it was given. For a caller that has checked the token and taken the role.
CREATE FUNCTION maru.give_tasks(p_token text, p_worker uuid, p_claim uuid, p_queues int[], p_count int, p_lease_s double precision, p_push boolean)
RETURNS text[] LANGUAGE plpgsql SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off SET enable_sort = off
  SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE w record; heads int[] := p_queues; head int; g record; again text;
BEGIN
  SELECT k.worker_id, k.draining, k.seen_at < now() - interval '5 seconds' AS unseen, o.space_ids, o.runners, o.price_micros_per_hour INTO w
    FROM workers k JOIN worker_tokens o ON o.id = k.token_id WHERE k.id = p_worker AND k.token_id = p_token;
  IF NOT FOUND THEN RETURN ARRAY['worker_unknown']; END IF;
  IF w.unseen THEN
    UPDATE workers SET seen_at = now() WHERE id = p_worker;
    UPDATE worker_tokens SET last_used_at = now() WHERE id = p_token AND last_used_at < now() - interval '5 seconds';
  END IF;
  IF p_claim IS NOT NULL THEN
    -- Two calls with one claim at a time: the second one waits and finds what the first was given.
    PERFORM pg_advisory_xact_lock(hashtextextended(p_claim::text, 7));
    SELECT json_agg(leased_task(t, j) ORDER BY t.turn, t.id)::text AS document, array_agg(DISTINCT t.job_id || ':' || t.space_id) AS jobs,
        count(*) AS taken INTO g
      FROM tasks t JOIN jobs j ON j.id = t.job_id WHERE t.claim_id = p_claim AND t.status = 'processing' AND t.worker_id = p_worker;
    IF g.taken > 0 THEN RETURN ARRAY['', '{"tasks":' || g.document || ',"drain":' || w.draining || '}', g.taken::text, ''] || g.jobs; END IF;
  END IF;
  IF w.draining THEN RETURN ARRAY['', '{"tasks":[],"drain":true}', '0', '']; END IF;
  IF cardinality(p_queues) > 1 OR w.runners IS NOT NULL THEN
    heads := ARRAY(
      SELECT x.id FROM unnest(p_queues) WITH ORDINALITY AS x (id, place) JOIN task_queues q ON q.id = x.id
        CROSS JOIN LATERAL (SELECT t.space_id, t.priority FROM tasks t WHERE t.status = 'queued' AND t.queue_id = x.id ORDER BY t.turn, t.id LIMIT 1) h
      WHERE w.runners IS NULL OR q.runner = ANY (w.runners)
      ORDER BY min(x.place) OVER (PARTITION BY h.space_id), h.priority DESC, x.place);
  END IF;
  FOREACH head IN ARRAY heads LOOP
    SELECT * INTO g FROM take_tasks(head, w.space_ids, p_count, p_token, p_worker, w.worker_id, w.price_micros_per_hour, p_claim, p_lease_s);
    IF g.taken > 0 THEN
      IF p_push THEN UPDATE task_queues SET turn = g.last_turn WHERE id = head AND turn < g.last_turn; END IF;
      RETURN ARRAY['', '{"tasks":' || g.document || ',"drain":false}', g.taken::text, head::text] || g.jobs;
    END IF;
  END LOOP;
  RETURN ARRAY['', '{"tasks":[],"drain":false}', '0', ''];
END $$;
-- Answers {refusal, document, how many, the queue they came from, job:space …}.
CREATE FUNCTION maru.claim_tasks(p_token text, p_sha256 bytea, p_worker uuid, p_claim uuid, p_queues int[], p_count int, p_lease_s double precision,
  p_push boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE refused text;
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := maru.worker_token_refused(p_token, p_sha256);
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  RETURN maru.give_tasks(p_token, p_worker, p_claim, p_queues, p_count, p_lease_s, p_push);
END $$;

-- Keeps leases. Answers {refusal, document, job:space …}.
CREATE FUNCTION maru.heartbeat_tasks(p_token text, p_sha256 bytea, p_worker text, p_tasks uuid[], p_attempts int[], p_progress real[],
  p_lease_s double precision) RETURNS text[] LANGUAGE plpgsql SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off
  SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE refused text; kept uuid[]; jobs_kept text[]; stopped uuid[]; holders uuid[]; drain boolean;
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := worker_token_refused(p_token, p_sha256);
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  WITH k AS (
    UPDATE tasks t SET lease_expires_at = now() + make_interval(secs => p_lease_s), progress = coalesce(g.progress, t.progress)
    FROM unnest(p_tasks, p_attempts, p_progress) AS g (id, attempt, progress)
    WHERE t.id = g.id AND t.attempt = g.attempt AND t.token_id = p_token AND t.status = 'processing'
    RETURNING t.id, t.worker_id, t.job_id || ':' || t.space_id AS job)
  SELECT array_agg(id), array_agg(DISTINCT worker_id), array_agg(DISTINCT job) INTO kept, holders, jobs_kept FROM k;
  IF coalesce(cardinality(kept), 0) < cardinality(p_tasks) THEN
    SELECT array_agg(t.id) INTO stopped FROM unnest(p_tasks, p_attempts) AS g (id, attempt)
      JOIN tasks t ON t.id = g.id AND t.attempt = g.attempt AND t.token_id = p_token AND t.status = 'cancelled';
  END IF;
  UPDATE workers SET seen_at = now() WHERE token_id = p_token AND (worker_id = p_worker OR id = ANY (holders)) AND seen_at < now() - interval '5 seconds';
  SELECT coalesce(bool_or(draining), false) INTO drain FROM workers WHERE token_id = p_token AND (worker_id = p_worker OR id = ANY (holders));
  RETURN ARRAY['', json_build_object('extended', coalesce(kept, '{}'), 'cancelled', coalesce(stopped, '{}'), 'drain', drain,
    'lost', ARRAY(SELECT id FROM unnest(p_tasks) id WHERE id <> ALL (coalesce(kept, '{}')) AND id <> ALL (coalesce(stopped, '{}'))))::text] || jobs_kept;
END $$;

-- Takes reports, each task named once, for a caller that has checked the token and taken the role. Answers an outcome for each report in the order in
-- which they came (what the task is now: done, failed, queued; or the code of the problem) and then the jobs, as job:space. `p_checked` is false for an
-- output nobody has looked at, which is never taken.
CREATE FUNCTION maru.take_reports(p_token text, p_tasks uuid[], p_attempts int[], p_done boolean[], p_retryable boolean[],
  p_checked boolean[], p_outputs text[], p_errors jsonb[], p_metrics jsonb[], p_run_ms bigint[], p_backoff_s double precision)
RETURNS text[] LANGUAGE plpgsql SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off
  SET enable_hashjoin = off SET enable_mergejoin = off SET plan_cache_mode = force_generic_plan AS $$
DECLARE outcomes text[]; reported_jobs text[]; missed boolean;
BEGIN
  WITH given AS (
    SELECT * FROM unnest(p_tasks, p_attempts, p_done, p_retryable, p_checked, p_outputs, p_errors, p_metrics, p_run_ms)
      WITH ORDINALITY AS g (id, attempt, done, retryable, checked, output, error, metrics, run_ms, place)
  ), accepted AS (
    UPDATE tasks t SET
      status = CASE WHEN g.done THEN 'done' WHEN NOT g.retryable OR t.failures + 1 >= t.max_failures THEN 'failed' ELSE 'delayed' END,
      reported_status = CASE WHEN g.done THEN 'done' WHEN NOT g.retryable OR t.failures + 1 >= t.max_failures THEN 'failed' ELSE 'queued' END,
      reported_attempt = g.attempt,
      failures = t.failures + CASE WHEN g.done THEN 0 ELSE 1 END,
      run_at = CASE WHEN g.done THEN t.run_at
        ELSE now() + make_interval(secs => least(900, p_backoff_s * power(2, least(t.failures, 20))) * (0.5 + random() / 2)) END,
      finished_at = CASE WHEN g.done OR NOT g.retryable OR t.failures + 1 >= t.max_failures THEN now() END,
      lease_expires_at = NULL, claim_id = NULL, progress = CASE WHEN g.done THEN 1 END, error = g.error, metrics = g.metrics,
      output_key = g.output, output_type = CASE WHEN g.output IS NOT NULL THEN t.upload ->> 'content_type' END,
      output_name = CASE WHEN g.output IS NOT NULL THEN t.upload ->> 'filename' END,
      output_size = CASE WHEN g.output IS NOT NULL THEN (t.upload ->> 'size')::bigint END,
      cost_micros = t.cost_micros + cost_micros(attempt_ms(t.claimed_at, g.run_ms), t.price_micros_per_hour),
      run_ms = t.run_ms + attempt_ms(t.claimed_at, g.run_ms)
    FROM given g
    WHERE t.id = g.id AND t.attempt = g.attempt AND t.token_id = p_token AND t.reported_attempt IS DISTINCT FROM g.attempt AND g.checked
      -- A result whose lease was lost is still taken while nobody else has begun: the work is done and paid for.
      AND (t.status = 'processing' OR (g.done AND t.status IN ('queued', 'delayed', 'held')))
    RETURNING g.place, t.id, t.job_id, t.space_id, t.attempt, t.status, t.reported_status, t.worker_id, t.price_micros_per_hour,
      attempt_ms(t.claimed_at, g.run_ms) AS ms
  ), counted AS (
    INSERT INTO job_deltas (job_id, space_id, task_id, gpu_name, done, failed, cost_micros, run_ms)
    SELECT a.job_id, a.space_id, a.id, w.capabilities ->> 'gpu_name', (a.status = 'done')::int, (a.status = 'failed')::int,
      cost_micros(a.ms, a.price_micros_per_hour), a.ms
    FROM accepted a LEFT JOIN workers w ON w.id = a.worker_id
  ), told AS (
    INSERT INTO outbox (id, kind, topic_or_queue, key, body)
    SELECT gen_random_uuid(), 'event', 'task.finished', a.id::text,
      jsonb_build_object('task_id', a.id, 'job_id', a.job_id, 'space_id', a.space_id, 'status', a.status, 'attempt', a.attempt,
        'file_results', (SELECT j.file_results FROM jobs j WHERE j.id = a.job_id))
    FROM accepted a WHERE a.status IN ('done', 'failed')
  )
  SELECT array_agg(a.reported_status ORDER BY g.place), array_agg(DISTINCT a.job_id || ':' || a.space_id) FILTER (WHERE a.id IS NOT NULL),
      bool_or(a.id IS NULL)
    INTO outcomes, reported_jobs, missed
    FROM unnest(p_tasks) WITH ORDINALITY AS g (id, place) LEFT JOIN accepted a ON a.place = g.place;
  IF missed THEN
    SELECT array_agg(coalesce(outcomes[g.place], CASE
        WHEN t.id IS NULL OR NOT (k.space_ids IS NULL OR t.space_id = ANY (k.space_ids)) THEN 'task_not_found'
        WHEN t.token_id IS DISTINCT FROM p_token THEN 'lease_lost'
        WHEN t.reported_attempt = g.attempt AND (t.reported_status = 'done') = g.done THEN t.reported_status
        WHEN t.attempt = g.attempt AND t.status = 'cancelled' THEN 'task_cancelled'
        ELSE 'lease_lost' END) ORDER BY g.place)
      INTO outcomes
      FROM unnest(p_tasks, p_attempts, p_done) WITH ORDINALITY AS g (id, attempt, done, place)
      JOIN worker_tokens k ON k.id = p_token LEFT JOIN tasks t ON t.id = g.id;
  END IF;
  RETURN outcomes || coalesce(reported_jobs, '{}');
END $$;
-- Answers {refusal, outcome …, job:space …}.
CREATE FUNCTION maru.report_tasks(p_token text, p_sha256 bytea, p_tasks uuid[], p_attempts int[], p_done boolean[], p_retryable boolean[],
  p_checked boolean[], p_outputs text[], p_errors jsonb[], p_metrics jsonb[], p_run_ms bigint[], p_backoff_s double precision)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE refused text;
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := maru.worker_token_refused(p_token, p_sha256);
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  RETURN ARRAY['']
    || maru.take_reports(p_token, p_tasks, p_attempts, p_done, p_retryable, p_checked, p_outputs, p_errors, p_metrics, p_run_ms, p_backoff_s);
END $$;

-- Reports and the next claim in one transaction. Answers {refusal, document, how many, queue, outcome …, job:space …}.
CREATE FUNCTION maru.exchange_tasks(p_token text, p_sha256 bytea, p_tasks uuid[], p_attempts int[], p_done boolean[], p_retryable boolean[],
  p_checked boolean[], p_outputs text[], p_errors jsonb[], p_metrics jsonb[], p_run_ms bigint[], p_backoff_s double precision,
  p_worker uuid, p_claim uuid, p_queues int[], p_count int, p_lease_s double precision, p_push boolean)
RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE refused text; reported text[] := '{}'; claimed text[];
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := maru.worker_token_refused(p_token, p_sha256);
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  IF cardinality(p_tasks) > 0 THEN
    reported := maru.take_reports(p_token, p_tasks, p_attempts, p_done, p_retryable, p_checked, p_outputs, p_errors, p_metrics, p_run_ms, p_backoff_s);
  END IF;
  claimed := maru.give_tasks(p_token, p_worker, p_claim, p_queues, p_count, p_lease_s, p_push);
  IF claimed[1] <> '' THEN RETURN ARRAY[claimed[1]]; END IF;
  RETURN claimed[:4] || reported || claimed[5:];
END $$;

-- Tasks handed back unfinished; nobody is blamed, nothing is charged. Answers {refusal, task id …}.
CREATE FUNCTION maru.release_tasks(p_token text, p_sha256 bytea, p_tasks uuid[], p_attempts int[]) RETURNS text[] LANGUAGE plpgsql
  SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE refused text; released text[];
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := worker_token_refused(p_token, p_sha256);
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  -- By way of `delayed`: whatever takes a task from there into its queue looks whether the job is paused.
  WITH r AS (
    UPDATE tasks t SET status = 'delayed', run_at = now(), lease_expires_at = NULL, claim_id = NULL, claimed_at = NULL, progress = NULL
    FROM unnest(p_tasks, p_attempts) AS g (id, attempt)
    WHERE t.id = g.id AND t.attempt = g.attempt AND t.token_id = p_token AND t.status = 'processing' RETURNING t.id, t.job_id, t.space_id)
  SELECT array_agg(r.id::text) || array_agg(DISTINCT r.job_id || ':' || r.space_id) INTO released FROM r;
  RETURN ARRAY[''] || coalesce(released, '{}');
END $$;

-- What a worker may ask addresses for: a task that it holds. `p_upload` remembers what this attempt may upload.
-- Answers {refusal or problem, space, job, key of the input, its name, its type}.
CREATE FUNCTION maru.open_task(p_token text, p_sha256 bytea, p_task uuid, p_attempt int, p_upload jsonb) RETURNS text[] LANGUAGE plpgsql
  SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off AS $$
DECLARE refused text; t tasks;
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := worker_token_refused(p_token, p_sha256);
  IF refused <> '' THEN RETURN ARRAY[refused]; END IF;
  IF p_upload IS NULL THEN
    SELECT * INTO t FROM tasks WHERE id = p_task AND attempt = p_attempt AND token_id = p_token AND status = 'processing';
  ELSE
    UPDATE tasks SET upload = p_upload WHERE id = p_task AND attempt = p_attempt AND token_id = p_token AND status = 'processing' RETURNING * INTO t;
  END IF;
  IF t.id IS NOT NULL THEN RETURN ARRAY['', t.space_id::text, t.job_id::text, t.input_key, t.input_name, t.input_type]; END IF;
  RETURN ARRAY[coalesce((SELECT CASE WHEN x.token_id = p_token AND x.attempt = p_attempt AND x.status = 'cancelled' THEN 'task_cancelled' ELSE 'lease_lost' END
    FROM tasks x JOIN worker_tokens k ON k.id = p_token WHERE x.id = p_task AND (k.space_ids IS NULL OR x.space_id = ANY (k.space_ids))), 'task_not_found')];
END $$;

-- What reports name as their output, as it was allowed, for those that would be accepted now.
CREATE FUNCTION maru.allowed_uploads(p_token text, p_sha256 bytea, p_tasks uuid[], p_attempts int[]) RETURNS text[] LANGUAGE plpgsql
  SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE refused text;
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  refused := worker_token_refused(p_token, p_sha256);
  RETURN ARRAY[refused] || CASE WHEN refused = '' THEN ARRAY(
    SELECT json_build_object('task_id', t.id, 'attempt', t.attempt, 'job_id', t.job_id, 'space_id', t.space_id, 'upload', t.upload)::text
    FROM unnest(p_tasks, p_attempts) AS g (id, attempt)
    JOIN tasks t ON t.id = g.id AND t.attempt = g.attempt AND t.token_id = p_token AND t.reported_attempt IS DISTINCT FROM g.attempt
      AND t.status IN ('processing', 'queued', 'delayed', 'held')) END;
END $$;

-- Takes tasks back whose worker fell silent, and lets those go on whose time has come. After a long time in which nobody looked, all running leases are
-- extended instead. One at a time: who comes second finds it done. Answers {how many can be claimed now, job:space …}.
CREATE FUNCTION maru.rescue_tasks(p_lease_s double precision, p_silence_s double precision, p_limit int) RETURNS text[] LANGUAGE plpgsql
  SET search_path = maru SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE looked timestamptz; ready int; touched text[];
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  SELECT looked_at INTO looked FROM dispatch_clock WHERE id = 1 FOR UPDATE SKIP LOCKED;
  IF NOT FOUND THEN RETURN ARRAY['0']; END IF;
  IF looked < now() - interval '1 second' THEN UPDATE dispatch_clock SET looked_at = now() WHERE id = 1; END IF;
  IF looked < now() - make_interval(secs => p_silence_s) THEN
    UPDATE tasks SET lease_expires_at = greatest(lease_expires_at, now() + make_interval(secs => p_lease_s)) WHERE status = 'processing';
  END IF;
  WITH silent AS MATERIALIZED (
    SELECT id FROM tasks WHERE status = 'processing' AND lease_expires_at < now() ORDER BY id LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), lost AS (
    UPDATE tasks t SET lease_losses = t.lease_losses + 1, lost_by = t.lost_by || t.worker_name,
      status = CASE WHEN t.lease_losses + 1 >= t.max_lease_losses THEN 'failed' ELSE 'delayed' END,
      finished_at = CASE WHEN t.lease_losses + 1 >= t.max_lease_losses THEN now() END,
      run_at = now() + make_interval(secs => 0.5 * (t.lease_losses + 1)),
      error = CASE WHEN t.lease_losses + 1 >= t.max_lease_losses
        THEN jsonb_build_object('code', 'lease_lost_too_often', 'lines', '[]'::jsonb, 'detail',
          'The workers ' || array_to_string(t.lost_by || t.worker_name, ', ') || ' fell silent while they worked on this. Look at the input, or at those machines; then try again.')
        ELSE jsonb_build_object('code', 'lease_lost', 'lines', '[]'::jsonb, 'detail', 'The worker ' || t.worker_name || ' fell silent while it worked on this.') END,
      cost_micros = t.cost_micros + cost_micros(attempt_ms(t.claimed_at, NULL), t.price_micros_per_hour),
      run_ms = t.run_ms + attempt_ms(t.claimed_at, NULL),
      -- A late report costs nothing more than the loss did.
      claimed_at = NULL, lease_expires_at = NULL, claim_id = NULL, progress = NULL
    FROM silent s WHERE t.id = s.id
    RETURNING t.id, t.job_id, t.space_id, t.attempt, t.status
  ), spent AS (
    SELECT l.id, attempt_ms(w.claimed_at, NULL) AS ms, w.price_micros_per_hour AS price FROM lost l JOIN tasks w ON w.id = l.id
  ), counted AS (
    INSERT INTO job_deltas (job_id, space_id, task_id, failed, cost_micros, run_ms)
    SELECT l.job_id, l.space_id, l.id, (l.status = 'failed')::int, cost_micros(s.ms, s.price), s.ms FROM lost l JOIN spent s USING (id)
  ), told AS (
    INSERT INTO outbox (id, kind, topic_or_queue, key, body)
    SELECT gen_random_uuid(), 'event', 'task.finished', l.id::text,
      jsonb_build_object('task_id', l.id, 'job_id', l.job_id, 'space_id', l.space_id, 'status', l.status, 'attempt', l.attempt)
    FROM lost l WHERE l.status = 'failed'
  )
  SELECT coalesce(array_agg(DISTINCT job_id || ':' || space_id), '{}') INTO touched FROM lost;
  WITH due AS MATERIALIZED (
    SELECT id FROM tasks WHERE status = 'delayed' AND run_at <= now() ORDER BY run_at LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), gone_on AS (
    UPDATE tasks t SET status = CASE WHEN j.status = 'paused' THEN 'held' ELSE 'queued' END FROM due d, jobs j WHERE t.id = d.id AND j.id = t.job_id
    RETURNING t.status, t.job_id, t.space_id)
  SELECT count(*) FILTER (WHERE status = 'queued') INTO ready FROM gone_on;
  RETURN ARRAY[ready::text] || touched;
END $$;

-- How many tasks each of these queues has ready, up to `p_most`: for whoever waits.
CREATE FUNCTION maru.ready_queues(p_most int) RETURNS TABLE (id int, runner text, requires jsonb, ready int) LANGUAGE plpgsql
  SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  RETURN QUERY SELECT q.id, q.runner, q.requires,
    (SELECT count(*)::int FROM (SELECT FROM tasks t WHERE t.status = 'queued' AND t.queue_id = q.id ORDER BY t.turn, t.id LIMIT p_most) r)
    FROM task_queues q ORDER BY q.id;
END $$;

-- Jobs of every space that have something to fold, once what deleted jobs left is gone; for the sweep.
CREATE FUNCTION maru.unfolded_jobs(p_limit int) RETURNS TABLE (id uuid, space_id uuid) LANGUAGE plpgsql SET search_path = maru AS $$
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  DELETE FROM job_deltas d WHERE NOT EXISTS (SELECT FROM jobs j WHERE j.id = d.job_id);
  RETURN QUERY SELECT DISTINCT d.job_id, d.space_id FROM (SELECT x.job_id, x.space_id FROM job_deltas x ORDER BY x.id LIMIT p_limit) d;
END $$;
CREATE FUNCTION maru.push_queue_turns() RETURNS void LANGUAGE plpgsql SET search_path = maru SET enable_seqscan = off SET enable_bitmapscan = off AS $$
BEGIN
  PERFORM set_config('role', 'dispatcher', true);
  UPDATE task_queues q SET turn = h.turn FROM (
    SELECT k.id, (SELECT t.turn - 1 FROM tasks t WHERE t.status = 'queued' AND t.queue_id = k.id ORDER BY t.turn, t.id LIMIT 1) AS turn FROM task_queues k) h
  WHERE q.id = h.id AND q.turn < h.turn;
END $$;

-- Sums for estimates; whoever folds a job adds to them and sees none.
CREATE FUNCTION maru.count_runner_time(p_runner text, p_gpu text, p_tasks bigint, p_run_ms bigint, p_cost bigint) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = maru AS $$
  INSERT INTO runner_times AS r (runner, gpu_name, tasks, run_ms, cost_micros) VALUES (p_runner, p_gpu, p_tasks, p_run_ms, p_cost)
    ON CONFLICT (runner, gpu_name) DO UPDATE SET tasks = r.tasks + p_tasks, run_ms = r.run_ms + p_run_ms, cost_micros = r.cost_micros + p_cost,
      updated_at = now() $$;

DO $$
DECLARE f regprocedure;
BEGIN
  FOR f IN SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'maru'::regnamespace AND p.proname = ANY (ARRAY[
    'worker_token_refused', 'attempt_ms', 'cost_micros', 'enrol_worker', 'drain_worker', 'leased_task', 'take_tasks', 'give_tasks', 'claim_tasks', 'take_reports', 'heartbeat_tasks',
    'report_tasks', 'exchange_tasks', 'release_tasks', 'open_task', 'allowed_uploads', 'rescue_tasks', 'ready_queues', 'unfolded_jobs',
    'push_queue_turns', 'count_runner_time'])
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', f);
    EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO maru_inference, dispatcher', f);
  END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION maru.count_runner_time(text, text, bigint, bigint, bigint), maru.attempt_ms(timestamptz, bigint), maru.cost_micros(bigint, bigint)
  TO authenticated, space_worker;
