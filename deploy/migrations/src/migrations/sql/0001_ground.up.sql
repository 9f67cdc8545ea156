CREATE SCHEMA IF NOT EXISTS maru;
CREATE SCHEMA IF NOT EXISTS auth;

-- Roles belong to the whole server: another database on it may have made them already.
DO $$
DECLARE r text;
BEGIN
  FOREACH r IN ARRAY ARRAY['authenticated', 'space_worker'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      BEGIN EXECUTE format('CREATE ROLE %I NOLOGIN NOINHERIT', r); EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
    END IF;
  END LOOP;
  FOREACH r IN ARRAY ARRAY['maru_api', 'maru_ingest', 'maru_inference'] LOOP
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      BEGIN EXECUTE format('CREATE ROLE %I LOGIN NOINHERIT', r); EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END;
    END IF;
    EXECUTE format('ALTER ROLE %I SET search_path = maru, public', r);
    -- A transaction somebody forgot holds back vacuum for everybody.
    EXECUTE format('ALTER ROLE %I SET idle_in_transaction_session_timeout = ''60s''', r);
    EXECUTE format('GRANT space_worker TO %I', r);
    EXECUTE format('GRANT USAGE ON SCHEMA maru, auth TO %I', r);
  END LOOP;
  GRANT authenticated TO maru_api;
END $$;
GRANT USAGE ON SCHEMA maru, auth TO authenticated, space_worker;

-- Supabase brings its own auth.uid(); elsewhere this one reads the same claims.
DO $$
BEGIN
  IF to_regprocedure('auth.uid()') IS NULL THEN
    CREATE FUNCTION auth.uid() RETURNS uuid LANGUAGE sql STABLE AS
      $f$ SELECT nullif(nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub', '')::uuid $f$;
  END IF;
END $$;

CREATE TABLE maru.profiles (
  user_id uuid PRIMARY KEY,
  email text NOT NULL,
  display_name text,
  locale text NOT NULL DEFAULT 'en' CHECK (locale IN ('en', 'ko')),
  is_admin boolean NOT NULL DEFAULT false,
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE maru.spaces (
  id uuid PRIMARY KEY,
  name text NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  kind text NOT NULL CHECK (kind IN ('personal', 'shared')),
  owner_id uuid NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX spaces_one_personal ON maru.spaces (owner_id) WHERE kind = 'personal';

CREATE TABLE maru.space_members (
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  user_id uuid NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (space_id, user_id)
);
CREATE INDEX space_members_user ON maru.space_members (user_id);

-- SECURITY DEFINER, because the policy of space_members itself needs them.
CREATE FUNCTION maru.my_spaces() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS
  $$ SELECT coalesce(array_agg(space_id), '{}') FROM space_members WHERE user_id = auth.uid() $$;
CREATE FUNCTION maru.my_writable_spaces() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS
  $$ SELECT coalesce(array_agg(space_id), '{}') FROM space_members WHERE user_id = auth.uid() AND role IN ('owner', 'editor') $$;
CREATE FUNCTION maru.my_owned_spaces() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS
  $$ SELECT coalesce(array_agg(space_id), '{}') FROM space_members WHERE user_id = auth.uid() AND role = 'owner' $$;
CREATE FUNCTION maru.current_space() RETURNS uuid LANGUAGE sql STABLE AS
  $$ SELECT nullif(current_setting('maru.space_id', true), '')::uuid $$;
-- Whoever has just been authenticated, by whichever provider, gets a profile and a personal space, once. The provider knows whose an address is
-- today: an earlier holder of it, such as an account that was deleted there, loses it here too.
CREATE FUNCTION maru.ensure_account(p_user uuid, p_email text, p_name text, p_space uuid, p_locale text)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
DECLARE found uuid;
BEGIN
  UPDATE profiles SET email = 'former holder ' || user_id WHERE lower(email) = lower(p_email) AND user_id <> p_user;
  INSERT INTO profiles AS p (user_id, email, display_name, locale) VALUES (p_user, p_email, p_name, p_locale)
    ON CONFLICT (user_id) DO UPDATE SET email = p_email WHERE p.email <> p_email;
  SELECT id INTO found FROM spaces WHERE owner_id = p_user AND kind = 'personal';
  IF found IS NOT NULL THEN RETURN found; END IF;
  INSERT INTO spaces (id, name, kind, owner_id)
    VALUES (p_space, coalesce(nullif(p_name, ''), split_part(p_email, '@', 1)), 'personal', p_user) ON CONFLICT DO NOTHING;
  SELECT id INTO STRICT found FROM spaces WHERE owner_id = p_user AND kind = 'personal';
  INSERT INTO space_members (space_id, user_id, role) VALUES (found, p_user, 'owner') ON CONFLICT DO NOTHING;
  RETURN found;
END $$;
-- The person behind an address, so that an owner can invite somebody who has an account; nothing else is told.
CREATE FUNCTION maru.user_id_by_email(p_email text) RETURNS uuid LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS
  $$ SELECT user_id FROM profiles WHERE lower(email) = lower(p_email) $$;
CREATE UNIQUE INDEX profiles_email ON maru.profiles (lower(email));

-- Creating a shared space makes its creator the owner in the same statement: before that nobody may insert a member.
CREATE FUNCTION maru.create_shared_space(p_space uuid, p_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  IF auth.uid() IS NULL THEN RAISE insufficient_privilege; END IF;
  INSERT INTO spaces (id, name, kind, owner_id) VALUES (p_space, p_name, 'shared', auth.uid());
  INSERT INTO space_members (space_id, user_id, role) VALUES (p_space, auth.uid(), 'owner');
END $$;
-- What holds whatever a service forgets: a personal space has its person alone, and a space that is left has an owner. The lock makes two owners
-- who leave at once wait for each other.
CREATE FUNCTION maru.check_new_member() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  IF EXISTS (SELECT FROM spaces WHERE id = NEW.space_id AND kind = 'personal' AND owner_id <> NEW.user_id) THEN
    RAISE check_violation USING MESSAGE = 'a personal space has one member';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION maru.check_owner_left() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  PERFORM FROM spaces WHERE id = OLD.space_id FOR UPDATE;
  IF FOUND AND NOT EXISTS (SELECT FROM space_members WHERE space_id = OLD.space_id AND role = 'owner') THEN
    RAISE check_violation USING MESSAGE = 'a space has an owner';
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER personal_space BEFORE INSERT ON maru.space_members FOR EACH ROW EXECUTE FUNCTION maru.check_new_member();
CREATE TRIGGER an_owner_left AFTER UPDATE OF role OR DELETE ON maru.space_members
  FOR EACH ROW WHEN (OLD.role = 'owner') EXECUTE FUNCTION maru.check_owner_left();
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA maru FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.my_spaces(), maru.my_writable_spaces(), maru.my_owned_spaces(), maru.create_shared_space(uuid, text),
  maru.user_id_by_email(text) TO authenticated;
GRANT EXECUTE ON FUNCTION maru.current_space() TO space_worker;
GRANT EXECUTE ON FUNCTION maru.ensure_account(uuid, text, text, uuid, text), maru.user_id_by_email(text) TO maru_api;

ALTER TABLE maru.profiles ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.profiles FORCE ROW LEVEL SECURITY;
ALTER TABLE maru.spaces ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.spaces FORCE ROW LEVEL SECURITY;
ALTER TABLE maru.space_members ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.space_members FORCE ROW LEVEL SECURITY;
CREATE POLICY own_profile ON maru.profiles TO authenticated USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
CREATE POLICY fellow_profiles ON maru.profiles FOR SELECT TO authenticated
  USING (user_id IN (SELECT m.user_id FROM maru.space_members m));
CREATE POLICY see_spaces ON maru.spaces FOR SELECT TO authenticated USING (id = ANY ((SELECT maru.my_spaces())::uuid[]));
CREATE POLICY change_spaces ON maru.spaces FOR UPDATE TO authenticated USING (id = ANY ((SELECT maru.my_owned_spaces())::uuid[]));
CREATE POLICY delete_spaces ON maru.spaces FOR DELETE TO authenticated
  USING (kind = 'shared' AND id = ANY ((SELECT maru.my_owned_spaces())::uuid[]));
CREATE POLICY work_spaces ON maru.spaces FOR SELECT TO space_worker USING (id = (SELECT maru.current_space()));
CREATE POLICY see_members ON maru.space_members FOR SELECT TO authenticated USING (space_id = ANY ((SELECT maru.my_spaces())::uuid[]));
CREATE POLICY change_members ON maru.space_members TO authenticated
  USING (space_id = ANY ((SELECT maru.my_owned_spaces())::uuid[])) WITH CHECK (space_id = ANY ((SELECT maru.my_owned_spaces())::uuid[]));
CREATE POLICY leave_space ON maru.space_members FOR DELETE TO authenticated USING (user_id = (SELECT auth.uid()));
CREATE POLICY work_members ON maru.space_members FOR SELECT TO space_worker USING (space_id = (SELECT maru.current_space()));
GRANT SELECT, UPDATE (display_name, locale) ON maru.profiles TO authenticated;
GRANT SELECT, UPDATE (name), DELETE ON maru.spaces TO authenticated;
GRANT SELECT, INSERT, UPDATE (role), DELETE ON maru.space_members TO authenticated;
GRANT SELECT ON maru.spaces, maru.space_members TO space_worker;

-- A promise to the outside, written with the change it belongs to. `seq` keeps the order of one key (writers hold a row lock on what `key` names).
CREATE TABLE maru.outbox (
  id uuid PRIMARY KEY,
  seq bigint GENERATED ALWAYS AS IDENTITY,
  kind text NOT NULL CHECK (kind IN ('event', 'task')),
  topic_or_queue text NOT NULL,
  key text,
  body jsonb NOT NULL,
  not_before timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz NOT NULL DEFAULT now(),
  claimed_until timestamptz,
  last_error text
) WITH (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0);
CREATE INDEX outbox_order ON maru.outbox (seq);
CREATE INDEX outbox_key ON maru.outbox (key, seq) WHERE key IS NOT NULL;
GRANT INSERT ON maru.outbox TO authenticated, space_worker;
GRANT SELECT, INSERT, UPDATE, DELETE ON maru.outbox TO maru_api, maru_ingest, maru_inference;

CREATE TABLE maru.inbox (
  consumer text NOT NULL,
  message_id text NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now(),
  handled_at timestamptz,
  PRIMARY KEY (consumer, message_id)
);
CREATE INDEX inbox_age ON maru.inbox (received_at);
GRANT SELECT, INSERT, UPDATE, DELETE ON maru.inbox TO maru_api, maru_ingest, maru_inference;
GRANT SELECT, INSERT, UPDATE ON maru.inbox TO space_worker;

-- Anything that takes time is a stream of numbered events. `owner_id` set: only that person may follow it.
CREATE TABLE maru.streams (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  owner_id uuid,
  kind text NOT NULL,
  subject_id uuid NOT NULL,
  status text NOT NULL DEFAULT 'running' CHECK (status IN ('running', 'done', 'failed', 'cancelled', 'interrupted')),
  last_seq bigint NOT NULL DEFAULT 0,
  cancel_requested boolean NOT NULL DEFAULT false,
  lease_expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  ended_at timestamptz,
  CHECK ((status = 'running') = (ended_at IS NULL))
) WITH (fillfactor = 70);
CREATE INDEX streams_subject ON maru.streams (subject_id, created_at);
-- With the id: row-level security brings the space into every look-up by id, and without statistics the planner may come this way.
CREATE INDEX streams_space ON maru.streams (space_id, id);
-- Not on `lease_expires_at`, also not in the condition: each renewal would then write every index anew (no HOT update).
CREATE INDEX streams_running ON maru.streams (id) WHERE status = 'running';
CREATE TABLE maru.stream_events (
  stream_id uuid NOT NULL REFERENCES maru.streams ON DELETE CASCADE,
  seq bigint NOT NULL,
  type text NOT NULL,
  data jsonb NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (stream_id, seq)
);
ALTER TABLE maru.streams ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.streams FORCE ROW LEVEL SECURITY;
ALTER TABLE maru.stream_events ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.stream_events FORCE ROW LEVEL SECURITY;
CREATE POLICY see_streams ON maru.streams FOR SELECT TO authenticated
  USING (space_id = ANY ((SELECT maru.my_spaces())::uuid[]) AND (owner_id IS NULL OR owner_id = (SELECT auth.uid())));
CREATE POLICY write_streams ON maru.streams FOR INSERT TO authenticated
  WITH CHECK (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]) AND (owner_id IS NULL OR owner_id = (SELECT auth.uid())));
CREATE POLICY change_streams ON maru.streams FOR UPDATE TO authenticated
  USING (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]) AND (owner_id IS NULL OR owner_id = (SELECT auth.uid())));
CREATE POLICY remove_streams ON maru.streams FOR DELETE TO authenticated
  USING (space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[]) AND (owner_id IS NULL OR owner_id = (SELECT auth.uid())));
CREATE POLICY work_streams ON maru.streams TO space_worker
  USING (space_id = (SELECT maru.current_space())) WITH CHECK (space_id = (SELECT maru.current_space()));
CREATE POLICY see_stream_events ON maru.stream_events FOR SELECT TO authenticated
  USING (EXISTS (SELECT FROM maru.streams s WHERE s.id = stream_id));
CREATE POLICY write_stream_events ON maru.stream_events FOR INSERT TO authenticated
  WITH CHECK (EXISTS (SELECT FROM maru.streams s WHERE s.id = stream_id AND s.space_id = ANY ((SELECT maru.my_writable_spaces())::uuid[])));
CREATE POLICY work_stream_events ON maru.stream_events TO space_worker
  USING (EXISTS (SELECT FROM maru.streams s WHERE s.id = stream_id)) WITH CHECK (EXISTS (SELECT FROM maru.streams s WHERE s.id = stream_id));
GRANT SELECT, INSERT, UPDATE, DELETE ON maru.streams TO authenticated, space_worker;
GRANT SELECT, INSERT ON maru.stream_events TO authenticated, space_worker;
-- The sweep ends streams whose producer died; it belongs to no tenant and may do just this.
CREATE FUNCTION maru.abandoned_streams(p_limit int) RETURNS TABLE (id uuid, space_id uuid, kind text, subject_id uuid)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT s.id, s.space_id, s.kind, s.subject_id FROM streams s
  WHERE s.status = 'running' AND s.lease_expires_at < now() ORDER BY s.id LIMIT p_limit $$;
REVOKE ALL ON FUNCTION maru.abandoned_streams(int) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.abandoned_streams(int) TO maru_api, maru_inference;

CREATE TABLE maru.idempotency_keys (
  user_id uuid NOT NULL,
  key text NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
  request_hash bytea NOT NULL,
  status int,
  response jsonb,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, key)
);
CREATE INDEX idempotency_keys_age ON maru.idempotency_keys (created_at);
ALTER TABLE maru.idempotency_keys ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY own_keys ON maru.idempotency_keys TO authenticated
  USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()));
GRANT SELECT, INSERT, UPDATE ON maru.idempotency_keys TO authenticated;

-- Answers hold what people wrote, and deliveries are repeated for a week at most: neither is kept for ever. The sweep calls this for everybody.
CREATE FUNCTION maru.forget_old_requests() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = maru AS $$
  DELETE FROM idempotency_keys WHERE created_at < now() - interval '1 day';
  DELETE FROM inbox WHERE handled_at IS NOT NULL AND received_at < now() - interval '31 days' $$;
REVOKE ALL ON FUNCTION maru.forget_old_requests() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.forget_old_requests() TO maru_api;

CREATE UNLOGGED TABLE maru.rate_buckets (
  bucket text PRIMARY KEY,
  tokens double precision NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
GRANT SELECT, INSERT, UPDATE, DELETE ON maru.rate_buckets TO maru_api, maru_inference;

CREATE TABLE maru.api_logs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  request_id text NOT NULL,
  user_id uuid,
  method text NOT NULL,
  endpoint text NOT NULL,
  status_code int NOT NULL,
  response_time_ms double precision NOT NULL,
  error_message text,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX api_logs_age ON maru.api_logs (created_at);
GRANT SELECT, INSERT, DELETE ON maru.api_logs TO maru_api;

-- What was spent, by whom, where and on what; money in micro-dollars.
CREATE TABLE maru.usage_events (
  id uuid PRIMARY KEY,
  space_id uuid NOT NULL REFERENCES maru.spaces ON DELETE CASCADE,
  user_id uuid NOT NULL,
  kind text NOT NULL,
  provider text NOT NULL,
  model text NOT NULL,
  input_tokens bigint NOT NULL DEFAULT 0,
  output_tokens bigint NOT NULL DEFAULT 0,
  cost_micros bigint,
  subject_id uuid,
  created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX usage_events_user ON maru.usage_events (user_id, created_at);
CREATE INDEX usage_events_space ON maru.usage_events (space_id, created_at);
ALTER TABLE maru.usage_events ENABLE ROW LEVEL SECURITY; ALTER TABLE maru.usage_events FORCE ROW LEVEL SECURITY;
CREATE POLICY own_usage ON maru.usage_events TO authenticated
  USING (user_id = (SELECT auth.uid())) WITH CHECK (user_id = (SELECT auth.uid()) AND space_id = ANY ((SELECT maru.my_spaces())::uuid[]));
CREATE POLICY work_usage ON maru.usage_events TO space_worker
  USING (space_id = (SELECT maru.current_space())) WITH CHECK (space_id = (SELECT maru.current_space()));
GRANT SELECT, INSERT ON maru.usage_events TO authenticated, space_worker;
-- Sums for administrators, and for nobody else whoever calls it: who used which model how much, nothing of what about.
CREATE FUNCTION maru.usage_summary(p_since timestamptz, p_until timestamptz)
RETURNS TABLE (user_id uuid, email text, kind text, provider text, model text, events bigint, input_tokens bigint, output_tokens bigint, cost_micros bigint)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT u.user_id, p.email, u.kind, u.provider, u.model, count(*), sum(u.input_tokens)::bigint, sum(u.output_tokens)::bigint,
         coalesce(sum(u.cost_micros), 0)::bigint
  FROM usage_events u LEFT JOIN profiles p USING (user_id)
  WHERE u.created_at >= p_since AND u.created_at < p_until
    AND EXISTS (SELECT FROM profiles a WHERE a.user_id = auth.uid() AND a.is_admin)
  GROUP BY u.user_id, p.email, u.kind, u.provider, u.model ORDER BY 9 DESC, 6 DESC, 1, 3, 4, 5 LIMIT 1000 $$;
REVOKE ALL ON FUNCTION maru.usage_summary(timestamptz, timestamptz) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.usage_summary(timestamptz, timestamptz) TO authenticated;
