DROP TABLE maru.dispatch_clock, maru.runner_times, maru.gpu_hosts, maru.workers, maru.worker_token_versions, maru.worker_tokens, maru.job_deltas;
DROP FUNCTION maru.place_tasks(uuid, int, int, int);
DROP FUNCTION maru.task_queue(text, jsonb);
DROP TABLE maru.tasks, maru.task_queues, maru.jobs;
REVOKE ALL ON maru.outbox FROM dispatcher;
REVOKE ALL ON SCHEMA maru, auth FROM dispatcher;
