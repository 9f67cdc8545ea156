ALTER TABLE maru.uploads DROP CONSTRAINT uploads_parts, DROP COLUMN parts_id, DROP COLUMN part_size, DROP COLUMN arrived_etag;
