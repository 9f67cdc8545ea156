-- Which workers hold a task, for everybody who counts them: ids of machines, and nothing of whose task it is.
CREATE FUNCTION maru.busy_workers() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS
  $$ SELECT coalesce(array_agg(DISTINCT worker_id), '{}') FROM tasks WHERE status = 'processing' AND worker_id IS NOT NULL $$;
REVOKE ALL ON FUNCTION maru.busy_workers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.busy_workers() TO maru_api;
