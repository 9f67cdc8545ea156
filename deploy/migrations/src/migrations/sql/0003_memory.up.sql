CREATE TABLE maru.people (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  birth_date date,
  relation text,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX people_space ON maru.people (space_id, name);

-- A file on its way in or already here. `object_key` is chosen by the server and never leaves it.
CREATE TABLE maru.uploads (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  owner_id uuid NOT NULL,
  filename text NOT NULL,
  content_type text NOT NULL,
  size bigint NOT NULL CHECK (size > 0),
  sha256 text,
  object_key text NOT NULL UNIQUE,
  keep_location boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'ready')),
  meta jsonb NOT NULL DEFAULT '{}',
  thumbnail_key text,
  display_key text,
  extracted_text text,
  extracted_by text,
  extraction_error jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  completed_at timestamptz
);
CREATE INDEX uploads_space ON maru.uploads (space_id, created_at);
CREATE INDEX uploads_pending ON maru.uploads (expires_at) WHERE status = 'pending';

CREATE TABLE maru.entries (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  author_id uuid NOT NULL,
  person_id uuid REFERENCES maru.people ON DELETE SET NULL,
  kind text NOT NULL CHECK (kind IN ('note', 'photo', 'audio', 'document')),
  version int NOT NULL DEFAULT 1 CHECK (version > 0),
  indexed_version int,
  title text,
  occurred_at timestamptz NOT NULL DEFAULT now(),
  status text NOT NULL DEFAULT 'processing' CHECK (status IN ('processing', 'ready', 'failed')),
  error jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((status = 'failed') = (error IS NOT NULL))
) WITH (fillfactor = 85);
CREATE INDEX entries_timeline ON maru.entries (space_id, occurred_at DESC, id DESC);
CREATE INDEX entries_person ON maru.entries (person_id) WHERE person_id IS NOT NULL;
CREATE INDEX entries_unfinished ON maru.entries (updated_at) WHERE status = 'processing';

-- Versions are immutable but for `body`, which the parse step completes. Offsets of chunks and citations are code points of `body`.
CREATE TABLE maru.entry_versions (
  entry_id uuid NOT NULL REFERENCES maru.entries ON DELETE CASCADE,
  version int NOT NULL,
  space_id uuid NOT NULL,
  note text NOT NULL,
  body text NOT NULL,
  stream_id uuid NOT NULL,
  created_by uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (entry_id, version)
);

CREATE TABLE maru.entry_files (
  entry_id uuid NOT NULL REFERENCES maru.entries ON DELETE CASCADE,
  upload_id uuid NOT NULL REFERENCES maru.uploads,
  space_id uuid NOT NULL,
  position int NOT NULL,
  PRIMARY KEY (entry_id, upload_id)
);
CREATE UNIQUE INDEX entry_files_once ON maru.entry_files (upload_id);

CREATE TABLE maru.entry_steps (
  entry_id uuid NOT NULL REFERENCES maru.entries ON DELETE CASCADE,
  version int NOT NULL,
  step text NOT NULL CHECK (step IN ('parse', 'chunk', 'embed', 'index', 'insights')),
  space_id uuid NOT NULL,
  state text NOT NULL CHECK (state IN ('running', 'done', 'failed', 'skipped')),
  attempts int NOT NULL DEFAULT 1,
  detail jsonb,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  PRIMARY KEY (entry_id, version, step)
);

CREATE TABLE maru.chunks (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  entry_id uuid NOT NULL REFERENCES maru.entries ON DELETE CASCADE,
  version int NOT NULL,
  ordinal int NOT NULL,
  start_offset int NOT NULL CHECK (start_offset >= 0),
  end_offset int NOT NULL,
  sha256 bytea NOT NULL,
  UNIQUE (entry_id, version, ordinal),
  CHECK (end_offset > start_offset)
);
CREATE INDEX chunks_space ON maru.chunks (space_id);

-- Keyed by sha256(model, dimensions, prefix + text); kept per space, so that one tenant's cache tells another nothing.
CREATE TABLE maru.embedding_cache (
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  key bytea NOT NULL,
  vector bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (space_id, key)
);

-- Statistics of a space's texts that BM25 weights need.
CREATE TABLE maru.text_statistics (
  space_id uuid PRIMARY KEY REFERENCES maru.spaces ON DELETE CASCADE,
  chunk_count bigint NOT NULL DEFAULT 0,
  term_count bigint NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

CREATE TABLE maru.insights (
  entry_id uuid PRIMARY KEY REFERENCES maru.entries ON DELETE CASCADE,
  space_id uuid NOT NULL,
  version int NOT NULL,
  summary text NOT NULL,
  topics text[] NOT NULL DEFAULT '{}',
  emotions jsonb NOT NULL DEFAULT '[]',
  people text[] NOT NULL DEFAULT '{}',
  dates text[] NOT NULL DEFAULT '{}',
  provider text NOT NULL,
  model text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX insights_topics ON maru.insights USING gin (topics);

-- What a person put right; it wins over every later computation.
CREATE TABLE maru.insight_corrections (
  entry_id uuid NOT NULL REFERENCES maru.entries ON DELETE CASCADE,
  field text NOT NULL CHECK (field IN ('summary', 'topics', 'emotions', 'people', 'dates')),
  space_id uuid NOT NULL,
  value jsonb NOT NULL,
  corrected_by uuid NOT NULL,
  corrected_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (entry_id, field)
);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['people', 'uploads', 'entries', 'entry_versions', 'entry_files', 'entry_steps', 'chunks', 'embedding_cache',
                           'text_statistics', 'insights', 'insight_corrections'] LOOP
    EXECUTE format('ALTER TABLE maru.%I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE maru.%I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY see ON maru.%I FOR SELECT TO authenticated USING (space_id = ANY ((SELECT maru.my_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY add ON maru.%I FOR INSERT TO authenticated WITH CHECK (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY change ON maru.%I FOR UPDATE TO authenticated USING (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[])) WITH CHECK (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY remove ON maru.%I FOR DELETE TO authenticated USING (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]))', t);
    EXECUTE format('CREATE POLICY work ON maru.%I TO space_worker USING (space_id = (SELECT maru.current_space())) WITH CHECK (space_id = (SELECT maru.current_space()))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON maru.%I TO authenticated, space_worker', t);
  END LOOP;
END $$;

-- For the sweep, which belongs to no tenant: uploads nobody completed in time, entries whose work has stood still.
CREATE FUNCTION maru.expired_uploads(p_limit int) RETURNS TABLE (id uuid, space_id uuid, object_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT id, space_id, object_key FROM uploads WHERE status = 'pending' AND expires_at < now() ORDER BY expires_at LIMIT p_limit $$;
CREATE FUNCTION maru.stalled_entries(p_idle interval, p_limit int) RETURNS TABLE (id uuid, space_id uuid, version int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT id, space_id, version FROM entries WHERE status = 'processing' AND updated_at < now() - p_idle ORDER BY updated_at LIMIT p_limit $$;
-- For `maru reindex`: every entry, page by page, in the order of its id.
CREATE FUNCTION maru.entries_after(p_after uuid, p_limit int) RETURNS TABLE (id uuid, space_id uuid, version int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT id, space_id, version FROM entries WHERE id > p_after ORDER BY id LIMIT p_limit $$;
REVOKE ALL ON FUNCTION maru.expired_uploads(int), maru.stalled_entries(interval, int), maru.entries_after(uuid, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.expired_uploads(int) TO maru_api;
GRANT EXECUTE ON FUNCTION maru.stalled_entries(interval, int), maru.entries_after(uuid, int) TO maru_ingest;
