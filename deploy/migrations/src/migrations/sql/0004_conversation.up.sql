-- Conversations belong to one person, also when they ask about a shared space.
CREATE TABLE maru.conversations (
  id uuid PRIMARY KEY,
  owner_id uuid NOT NULL,
  home_space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  title text NOT NULL,
  space_ids uuid[] NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX conversations_owner ON maru.conversations (owner_id, updated_at DESC, id DESC);
CREATE INDEX conversations_home ON maru.conversations (home_space_id);

CREATE TABLE maru.messages (
  id uuid PRIMARY KEY,
  conversation_id uuid NOT NULL REFERENCES maru.conversations ON DELETE CASCADE,
  owner_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('user', 'assistant')),
  status text NOT NULL CHECK (status IN ('streaming', 'done', 'failed', 'cancelled', 'interrupted')),
  content text NOT NULL,
  citations jsonb NOT NULL DEFAULT '[]',
  passages jsonb NOT NULL DEFAULT '[]',
  provider text,
  model text,
  usage jsonb,
  error jsonb,
  stream_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (role = 'assistant' OR status = 'done')
);
CREATE INDEX messages_conversation ON maru.messages (conversation_id, id);
CREATE UNIQUE INDEX messages_stream ON maru.messages (stream_id) WHERE stream_id IS NOT NULL;
-- One answer at a time in a conversation.
CREATE UNIQUE INDEX messages_one_streaming ON maru.messages (conversation_id) WHERE status = 'streaming';

-- Exact only: the key covers owner, normalised question, history, chunk hashes, model and prompt version.
CREATE TABLE maru.answer_cache (
  owner_id uuid NOT NULL,
  key bytea NOT NULL,
  answer jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (owner_id, key)
);
CREATE INDEX answer_cache_age ON maru.answer_cache (created_at);

DO $$
DECLARE t text;
BEGIN
  FOREACH t IN ARRAY ARRAY['conversations', 'messages', 'answer_cache'] LOOP
    EXECUTE format('ALTER TABLE maru.%I ENABLE ROW LEVEL SECURITY', t);
    EXECUTE format('ALTER TABLE maru.%I FORCE ROW LEVEL SECURITY', t);
    EXECUTE format('CREATE POLICY own ON maru.%I TO authenticated USING (owner_id = (SELECT auth.uid())) WITH CHECK (owner_id = (SELECT auth.uid()))', t);
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON maru.%I TO authenticated', t);
  END LOOP;
END $$;
-- For the sweep, which belongs to no tenant: kept answers are of use for a month.
CREATE FUNCTION maru.forget_old_answers() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = maru AS $$
  DELETE FROM answer_cache WHERE created_at < now() - interval '30 days' $$;
REVOKE ALL ON FUNCTION maru.forget_old_answers() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.forget_old_answers() TO maru_api;
