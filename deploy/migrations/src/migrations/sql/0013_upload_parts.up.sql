-- A large file comes in parts: what the store calls that upload, and how large each part is.
-- `arrived_etag` names the version of the file that is being checked: no other may come to lie in its place.
ALTER TABLE maru.uploads ADD COLUMN parts_id text, ADD COLUMN part_size bigint CHECK (part_size > 0), ADD COLUMN arrived_etag text,
  ADD CONSTRAINT uploads_parts CHECK ((parts_id IS NULL) = (part_size IS NULL));
