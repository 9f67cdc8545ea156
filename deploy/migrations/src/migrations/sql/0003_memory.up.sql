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
  -- By what it was examined (parser and models with their versions), so that another entry version does not do it again.
  examined_by text,
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
  -- Nobody said when it happened: a photo that knows may.
  occurred_at_assumed boolean NOT NULL DEFAULT false,
  status text NOT NULL DEFAULT 'processing' CHECK (status IN ('processing', 'ready', 'failed')),
  error jsonb,
  -- Whoever works on the entry: a claim raises the epoch, and writes that name an older one are refused. `worked_at` is the sign of life.
  epoch int NOT NULL DEFAULT 0,
  worked_at timestamptz NOT NULL DEFAULT now(),
  failures int NOT NULL DEFAULT 0,
  retry_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((status = 'failed') = (error IS NOT NULL)),
  CHECK (retry_at IS NULL OR status = 'failed')
) WITH (fillfactor = 85);
CREATE INDEX entries_timeline ON maru.entries (space_id, occurred_at DESC, id DESC);
CREATE INDEX entries_person ON maru.entries (person_id) WHERE person_id IS NOT NULL;
-- Not on `worked_at`: a sign of life must stay a cheap update.
CREATE INDEX entries_unfinished ON maru.entries (id) WHERE status = 'processing' OR retry_at IS NOT NULL;

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
  -- Checked at the commit: when a space goes, its uploads may go before its entries.
  upload_id uuid NOT NULL REFERENCES maru.uploads DEFERRABLE INITIALLY DEFERRED,
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
  length double precision NOT NULL CHECK (length >= 0),
  embedding_key bytea,
  UNIQUE (entry_id, version, ordinal),
  CHECK (end_offset > start_offset)
);
CREATE INDEX chunks_space ON maru.chunks (space_id);
CREATE INDEX chunks_embedding ON maru.chunks (space_id, embedding_key) WHERE embedding_key IS NOT NULL;

-- Keyed by sha256(model, dimensions, prefix + text); kept per space, so that one tenant's cache tells another nothing.
CREATE TABLE maru.embedding_cache (
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  key bytea NOT NULL,
  vector bytea NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (space_id, key)
);

-- How many chunks a space has and how many terms they hold: BM25 weights need the mean. Kept by the triggers on chunks.
CREATE TABLE maru.text_statistics (
  space_id uuid PRIMARY KEY REFERENCES maru.spaces ON DELETE CASCADE,
  chunk_count bigint NOT NULL DEFAULT 0,
  term_count double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50);
CREATE FUNCTION maru.count_new_chunks() RETURNS trigger LANGUAGE plpgsql SET search_path = maru AS $$
BEGIN
  INSERT INTO text_statistics AS t (space_id, chunk_count, term_count)
    SELECT space_id, count(*), sum(length) FROM added GROUP BY space_id ORDER BY space_id
    ON CONFLICT (space_id) DO UPDATE SET chunk_count = t.chunk_count + excluded.chunk_count, term_count = t.term_count + excluded.term_count;
  RETURN NULL;
END $$;
-- Also drops the cached embeddings of texts that no chunk holds any more, whichever way the chunks went.
CREATE FUNCTION maru.forget_old_chunks() RETURNS trigger LANGUAGE plpgsql SET search_path = maru AS $$
BEGIN
  UPDATE text_statistics t SET chunk_count = greatest(0, t.chunk_count - g.chunks), term_count = greatest(0, t.term_count - g.terms)
    FROM (SELECT space_id, count(*) AS chunks, sum(length) AS terms FROM gone GROUP BY space_id) g WHERE t.space_id = g.space_id;
  DELETE FROM embedding_cache k USING gone g
    WHERE k.space_id = g.space_id AND k.key = g.embedding_key
      AND NOT EXISTS (SELECT FROM chunks c WHERE c.space_id = g.space_id AND c.embedding_key = g.embedding_key);
  RETURN NULL;
END $$;
REVOKE ALL ON FUNCTION maru.count_new_chunks(), maru.forget_old_chunks() FROM PUBLIC;
CREATE TRIGGER chunks_added AFTER INSERT ON maru.chunks REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION maru.count_new_chunks();
CREATE TRIGGER chunks_gone AFTER DELETE ON maru.chunks REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION maru.forget_old_chunks();

-- Messages that can never be handled, kept with the reason; whoever runs the service looks at them.
CREATE TABLE maru.parked_messages (
  id uuid PRIMARY KEY,
  consumer text NOT NULL,
  topic text NOT NULL,
  reason text NOT NULL,
  body text NOT NULL,
  parked_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX parked_messages_age ON maru.parked_messages (parked_at);
GRANT SELECT, INSERT, DELETE ON maru.parked_messages TO maru_ingest;

-- What is shown: computed, with a person's corrections in place of the computed fields. `computed` keeps what they replaced.
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
  computed jsonb NOT NULL,
  corrected text[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX insights_topics ON maru.insights USING gin (topics);
CREATE INDEX insights_emotions ON maru.insights USING gin (emotions jsonb_path_ops);

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

-- An entry as the API shows it, built here so that one round trip serves a read; a body longer than `p_most` is cut.
CREATE FUNCTION maru.entry_document(p_entry uuid, p_most int) RETURNS text LANGUAGE plpgsql STABLE SET search_path = maru AS $$
BEGIN
  RETURN (SELECT json_build_object('id', e.id, 'space_id', e.space_id, 'author_id', e.author_id, 'person_id', e.person_id,
      'kind', e.kind, 'version', e.version, 'title', e.title, 'note', coalesce(left(v.note, p_most), v.note),
      'body', coalesce(left(v.body, p_most), v.body), 'truncated', coalesce(length(v.body) > p_most, false), 'occurred_at', e.occurred_at, 'status', e.status, 'error', e.error,
      'insights', (SELECT json_build_object('summary', i.summary, 'topics', i.topics, 'emotions', i.emotions, 'people', i.people,
          'dates', i.dates, 'provider', i.provider, 'model', i.model, 'corrected', i.corrected) FROM insights i WHERE i.entry_id = e.id),
      'attachments', (SELECT coalesce(json_agg(json_build_object('upload_id', u.id, 'filename', u.filename, 'content_type', u.content_type,
          'size', u.size, 'meta', u.meta, 'content_url', '/api/v1/uploads/' || u.id || '/content',
          'thumbnail_url', CASE WHEN u.thumbnail_key IS NOT NULL THEN '/api/v1/uploads/' || u.id || '/thumbnail' END,
          'extracted_by', u.extracted_by, 'error', u.extraction_error) ORDER BY f.position), '[]')
        FROM entry_files f JOIN uploads u ON u.id = f.upload_id WHERE f.entry_id = e.id),
      'steps', (SELECT coalesce(json_agg(json_build_object('step', s.step, 'state', s.state)
          ORDER BY array_position('{parse,chunk,embed,index,insights}', s.step)), '[]')
        FROM entry_steps s WHERE s.entry_id = e.id AND s.version = e.version),
      'stream_id', v.stream_id, 'created_at', e.created_at, 'updated_at', e.updated_at)::text
    FROM entries e JOIN entry_versions v ON v.entry_id = e.id AND v.version = e.version WHERE e.id = p_entry);
END $$;
-- The same for the hottest read, without a transaction around it: it becomes the person first, so row-level security decides what is found, as
-- everywhere. Whoever may call it may be anybody, which is why only the gateway's login role may.
CREATE FUNCTION maru.read_entry(p_user uuid, p_entry uuid) RETURNS text LANGUAGE plpgsql SET search_path = maru AS $$
BEGIN
  PERFORM set_config('request.jwt.claims', json_build_object('sub', p_user, 'role', 'authenticated')::text, true),
    set_config('role', 'authenticated', true);
  RETURN entry_document(p_entry, NULL);
END $$;
-- Puts a person's corrections over what was computed; called whenever either changes, under the lock of the entry.
CREATE FUNCTION maru.merge_insights(p_entry uuid) RETURNS void LANGUAGE sql SET search_path = maru AS $$
  UPDATE insights i SET summary = x.m ->> 'summary', emotions = x.m -> 'emotions', corrected = x.fields,
    topics = ARRAY(SELECT jsonb_array_elements_text(x.m -> 'topics')),
    people = ARRAY(SELECT jsonb_array_elements_text(x.m -> 'people')),
    dates = ARRAY(SELECT jsonb_array_elements_text(x.m -> 'dates'))
  FROM (SELECT c.computed || coalesce(k.changed, '{}') AS m, coalesce(k.fields, '{}') AS fields
        FROM insights c LEFT JOIN LATERAL (SELECT jsonb_object_agg(field, value) AS changed, array_agg(field ORDER BY field) AS fields
          FROM insight_corrections WHERE entry_id = p_entry) k ON true WHERE c.entry_id = p_entry) x
  WHERE i.entry_id = p_entry $$;
-- A failed entry is taken up again at the step that failed, with a new stream; null when it has not failed.
CREATE FUNCTION maru.restart_entry(p_entry uuid, p_stream uuid) RETURNS TABLE (id uuid, space_id uuid, version int, author_id uuid)
LANGUAGE plpgsql SET search_path = maru AS $$
DECLARE e entries;
BEGIN
  UPDATE entries SET status = 'processing', error = NULL, failures = 0, retry_at = NULL, worked_at = now()
    WHERE entries.id = p_entry AND status = 'failed' RETURNING * INTO e;
  IF e.id IS NULL THEN RETURN; END IF;
  INSERT INTO streams (id, space_id, kind, subject_id) VALUES (p_stream, e.space_id, 'entry', e.id);
  UPDATE entry_versions v SET stream_id = p_stream WHERE v.entry_id = e.id AND v.version = e.version;
  DELETE FROM entry_steps s WHERE s.entry_id = e.id AND s.version = e.version AND s.state IN ('running', 'failed');
  RETURN QUERY SELECT e.id, e.space_id, e.version, e.author_id;
END $$;

-- For the sweep, which belongs to no tenant: uploads nobody completed in time, entries whose work has stood still or is to be tried again.
CREATE FUNCTION maru.expired_uploads(p_limit int) RETURNS TABLE (id uuid, space_id uuid, object_key text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT id, space_id, object_key FROM uploads WHERE status = 'pending' AND expires_at < now() ORDER BY expires_at LIMIT p_limit $$;
CREATE FUNCTION maru.stalled_entries(p_idle interval, p_limit int) RETURNS TABLE (id uuid, space_id uuid, version int, epoch int, failed boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT id, space_id, version, epoch, status = 'failed' FROM entries
  WHERE (status = 'processing' OR retry_at IS NOT NULL)
    AND ((status = 'processing' AND worked_at < now() - p_idle) OR (status = 'failed' AND retry_at < now()))
  ORDER BY worked_at LIMIT p_limit $$;
-- For `maru reindex`: every entry, page by page, in the order of its id.
CREATE FUNCTION maru.entries_after(p_after uuid, p_limit int) RETURNS TABLE (id uuid, space_id uuid, version int)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT id, space_id, version FROM entries WHERE id > p_after ORDER BY id LIMIT p_limit $$;
REVOKE ALL ON FUNCTION maru.entry_document(uuid, int), maru.read_entry(uuid, uuid), maru.merge_insights(uuid), maru.restart_entry(uuid, uuid),
  maru.expired_uploads(int), maru.stalled_entries(interval, int), maru.entries_after(uuid, int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.read_entry(uuid, uuid) TO maru_api;
GRANT EXECUTE ON FUNCTION maru.entry_document(uuid, int) TO authenticated;
GRANT EXECUTE ON FUNCTION maru.merge_insights(uuid), maru.restart_entry(uuid, uuid) TO authenticated, space_worker;
GRANT EXECUTE ON FUNCTION maru.expired_uploads(int) TO maru_api;
GRANT EXECUTE ON FUNCTION maru.stalled_entries(interval, int), maru.entries_after(uuid, int) TO maru_ingest;
