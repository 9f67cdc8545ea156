DROP FUNCTION maru.busy_workers();
