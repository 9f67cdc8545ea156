DROP SCHEMA local CASCADE;
REVOKE ALL ON maru.outbox FROM maru_deliverer;
REVOKE ALL ON SCHEMA maru FROM maru_deliverer;
