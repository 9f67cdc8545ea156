CREATE OR REPLACE FUNCTION maru.retry_delivery(p_id bigint) RETURNS boolean LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  UPDATE local.deliveries SET dead_at = NULL, attempts = 0, run_at = now(), last_error = NULL WHERE id = p_id AND dead_at IS NOT NULL AND administers();
  RETURN FOUND;
END $$;
CREATE OR REPLACE FUNCTION maru.dead_deliveries(p_before timestamptz, p_before_id text, p_limit int) RETURNS TABLE (id bigint, subscription text, attempts int,
  died_at timestamptz, cause text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT d.id, d.subscription, d.attempts, d.dead_at, left(coalesce(d.last_error, ''), 300) FROM local.deliveries d
  WHERE d.dead_at IS NOT NULL AND administers()
    AND (p_before IS NULL OR (d.dead_at <= p_before AND (d.dead_at, ('message-' || d.id) COLLATE "C") < (p_before, p_before_id)))
  ORDER BY d.dead_at DESC, ('message-' || d.id) COLLATE "C" DESC LIMIT p_limit $$;
DROP FUNCTION maru.publish_dead_letters(bigint[]);
DROP FUNCTION maru.keep_dead_letter(text, text, text, text, jsonb, int, text);
DROP TABLE maru.dead_letters;
