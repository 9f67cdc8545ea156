DROP FUNCTION maru.standing(uuid, uuid, text), maru.make_admin(uuid);
DROP TABLE maru.ui_sessions, maru.ui_tickets;
DROP SCHEMA idp CASCADE;
