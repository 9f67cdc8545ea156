-- What was given up in the cloud: by a subscription of Pub/Sub, by a service at a task's last attempt, or by the outbox because Google refused it for good.
-- On one machine it stays empty: there the deliverer keeps its own. One numbering for both, so that a number names one letter wherever it lies.
CREATE TABLE maru.dead_letters (
  id bigint PRIMARY KEY DEFAULT nextval('local.deliveries_id_seq'),
  -- The id of the outbox row that it began as.
  message_id text NOT NULL CHECK (length(message_id) BETWEEN 1 AND 200),
  -- `publish`: never got out; `push`: a subscription gave up; `task`: a command was given up, or never got out.
  kind text NOT NULL CHECK (kind IN ('publish', 'push', 'task')),
  -- The topic, the subscription, the queue.
  destination text NOT NULL,
  key text,
  body jsonb NOT NULL,
  attempts int NOT NULL CHECK (attempts >= 0),
  cause text NOT NULL,
  died_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (message_id, destination)
);
CREATE INDEX dead_letters_age ON maru.dead_letters (died_at);
GRANT SELECT ON maru.dead_letters TO maru_deliverer;

-- Services put letters there and cannot read them. One that is there already stays as it is.
CREATE FUNCTION maru.keep_dead_letter(p_message_id text, p_kind text, p_destination text, p_key text, p_body jsonb, p_attempts int, p_cause text)
RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = maru AS $$
  INSERT INTO dead_letters (message_id, kind, destination, key, body, attempts, cause)
  VALUES (p_message_id, p_kind, p_destination, p_key, p_body, p_attempts, left(p_cause, 500)) ON CONFLICT (message_id, destination) DO NOTHING $$;

-- Promises letters anew (all of them when no ids are given) and says how many. The new rows have ids of their own, because the names of tasks stay taken.
-- A fact that one subscription gave up goes to that subscription alone, by way of a queue, and keeps its old id: who has seen it does nothing.
CREATE FUNCTION maru.publish_dead_letters(p_ids bigint[]) RETURNS int LANGUAGE sql SECURITY DEFINER SET search_path = maru AS $$
  WITH gone AS (DELETE FROM dead_letters WHERE p_ids IS NULL OR id = ANY (p_ids) RETURNING *),
  again AS (
    INSERT INTO outbox (id, kind, topic_or_queue, key, body)
    SELECT gen_random_uuid(), CASE kind WHEN 'publish' THEN 'event' ELSE 'task' END, CASE kind WHEN 'push' THEN 'redeliver' ELSE destination END,
      CASE kind WHEN 'publish' THEN key END,
      CASE kind WHEN 'push' THEN jsonb_build_object('subscription', destination, 'event_id', message_id, 'key', key, 'data', body) ELSE body END
    FROM gone RETURNING 1)
  SELECT count(*)::int FROM again $$;

CREATE OR REPLACE FUNCTION maru.dead_deliveries(p_before timestamptz, p_before_id text, p_limit int) RETURNS TABLE (id bigint, subscription text, attempts int,
  died_at timestamptz, cause text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT * FROM (
    (SELECT d.id, d.subscription, d.attempts, d.dead_at AS died_at, left(coalesce(d.last_error, ''), 300) FROM local.deliveries d
     WHERE d.dead_at IS NOT NULL AND administers()
       AND (p_before IS NULL OR (d.dead_at <= p_before AND (d.dead_at, ('message-' || d.id) COLLATE "C") < (p_before, p_before_id)))
     ORDER BY d.dead_at DESC, ('message-' || d.id) COLLATE "C" DESC LIMIT p_limit)
    UNION ALL
    (SELECT l.id, CASE l.kind WHEN 'publish' THEN 'outbox.' || l.destination ELSE l.destination END, l.attempts, l.died_at, left(l.cause, 300)
     FROM dead_letters l
     WHERE administers() AND (p_before IS NULL OR (l.died_at <= p_before AND (l.died_at, ('message-' || l.id) COLLATE "C") < (p_before, p_before_id)))
     ORDER BY l.died_at DESC, ('message-' || l.id) COLLATE "C" DESC LIMIT p_limit)) AS letters
  ORDER BY died_at DESC, ('message-' || id) COLLATE "C" DESC LIMIT p_limit $$;

CREATE OR REPLACE FUNCTION maru.retry_delivery(p_id bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  IF NOT administers() THEN RETURN false; END IF;
  UPDATE local.deliveries SET dead_at = NULL, attempts = 0, run_at = now(), last_error = NULL WHERE id = p_id AND dead_at IS NOT NULL;
  RETURN FOUND OR publish_dead_letters(ARRAY[p_id]) > 0;
END $$;

REVOKE ALL ON FUNCTION maru.keep_dead_letter(text, text, text, text, jsonb, int, text), maru.publish_dead_letters(bigint[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.keep_dead_letter(text, text, text, text, jsonb, int, text) TO maru_api, maru_ingest, maru_inference;
GRANT EXECUTE ON FUNCTION maru.publish_dead_letters(bigint[]) TO maru_deliverer;
