DROP TABLE maru.ui_sessions, maru.ui_tickets;
DROP SCHEMA idp CASCADE;
