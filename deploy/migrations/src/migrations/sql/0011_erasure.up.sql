-- Functions that look across tenants do so with the owner's rights. An owner whom row-level security binds would let every one of them find nothing.
DO $$
BEGIN
  IF NOT (SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user) THEN
    RAISE insufficient_privilege USING MESSAGE = 'the owner of the schema must stand above row-level security: ALTER ROLE ... BYPASSRLS';
  END IF;
END $$;

-- Where a platform serves the schema `public` to browsers, as Supabase does, it grants every new table there to the browsers' roles. The one table of ours
-- that lies there says which steps have run, and is nobody's business.
DO $$
DECLARE r text;
BEGIN
  IF to_regclass('public.maru_schema_revision') IS NULL THEN RETURN; END IF;
  FOREACH r IN ARRAY ARRAY['anon', 'authenticated', 'service_role'] LOOP
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = r) THEN
      EXECUTE format('REVOKE ALL ON public.maru_schema_revision FROM %I', r);
    END IF;
  END LOOP;
  REVOKE ALL ON public.maru_schema_revision FROM PUBLIC;
  ALTER TABLE public.maru_schema_revision ENABLE ROW LEVEL SECURITY;
END $$;

-- Who erased their account, for as long as a token may still live that was signed for them: the first request with it would otherwise make a new one.
-- The last call of `erase-account` takes the row away.
CREATE TABLE maru.erased_accounts (
  user_id uuid PRIMARY KEY,
  erased_at timestamptz NOT NULL DEFAULT now()
);
GRANT SELECT ON maru.erased_accounts TO maru_api;

CREATE OR REPLACE FUNCTION maru.standing(p_user uuid, p_session uuid, p_email text) RETURNS TABLE (has_account boolean, is_admin boolean, alive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT EXISTS (SELECT FROM spaces WHERE owner_id = p_user AND kind = 'personal')
           AND EXISTS (SELECT FROM profiles WHERE user_id = p_user AND lower(email) = lower(p_email)),
         coalesce((SELECT p.is_admin FROM profiles p WHERE p.user_id = p_user), false),
         NOT EXISTS (SELECT FROM erased_accounts WHERE user_id = p_user)
           AND (p_session IS NULL
             OR EXISTS (SELECT FROM idp.sessions s WHERE s.id = p_session AND s.user_id = p_user AND s.revoked_at IS NULL)) $$;

-- As before, but for whom there is to be no account any more. One address after the other: of two first requests of one person at once, the second would
-- otherwise meet the address before it meets the person, which is no conflict that an insert can resolve.
CREATE OR REPLACE FUNCTION maru.ensure_account(p_user uuid, p_email text, p_name text, p_space uuid, p_locale text)
RETURNS uuid LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
DECLARE found uuid;
BEGIN
  IF EXISTS (SELECT FROM erased_accounts WHERE user_id = p_user) THEN RETURN NULL; END IF;
  PERFORM pg_advisory_xact_lock(hashtextextended(lower(p_email), 1));
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

-- Whoever erases their account takes the profile first: a space that is made at the same moment goes along, or is not made.
CREATE OR REPLACE FUNCTION maru.create_shared_space(p_space uuid, p_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  IF auth.uid() IS NULL THEN RAISE insufficient_privilege; END IF;
  PERFORM FROM profiles WHERE user_id = auth.uid() FOR KEY SHARE;
  IF NOT FOUND THEN RAISE foreign_key_violation USING MESSAGE = 'whoever makes a space has a profile'; END IF;
  INSERT INTO spaces (id, name, kind, owner_id) VALUES (p_space, p_name, 'shared', auth.uid());
  INSERT INTO space_members (space_id, user_id, role) VALUES (p_space, auth.uid(), 'owner');
END $$;

-- Takes a person's name off what is not theirs alone, and removes what is of no use to anybody else. What they put into spaces of others stays there, as
-- nobody's. Repeated after the erasure, because work that was under way may write a name that it read before.
CREATE FUNCTION maru.scrub_account(p_user uuid) RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
DECLARE nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
  IF NOT EXISTS (SELECT FROM erased_accounts WHERE user_id = p_user) THEN RETURN; END IF;
  DELETE FROM space_members WHERE user_id = p_user;
  DELETE FROM ui_tickets WHERE user_id = p_user;
  DELETE FROM ui_sessions WHERE user_id = p_user;
  DELETE FROM conversations WHERE owner_id = p_user;
  DELETE FROM messages WHERE owner_id = p_user;
  DELETE FROM answer_cache WHERE owner_id = p_user;
  DELETE FROM streams WHERE owner_id = p_user;
  -- Also what others were answered lately about this person, such as that they are a member now.
  DELETE FROM idempotency_keys WHERE user_id = p_user OR response::text LIKE '%' || p_user || '%';
  DELETE FROM rate_buckets WHERE bucket LIKE '%' || p_user || '%';
  DELETE FROM parked_messages WHERE body LIKE '%' || p_user || '%';
  -- But for the command that finishes this erasure, should it ever have been given up.
  DELETE FROM dead_letters WHERE destination <> 'erase-account' AND (key = p_user::text OR body::text LIKE '%' || p_user || '%');
  UPDATE api_logs SET user_id = NULL WHERE user_id = p_user;
  UPDATE usage_events SET user_id = nobody WHERE user_id = p_user;
  UPDATE worker_tokens SET created_by = NULL WHERE created_by = p_user;
  UPDATE uploads SET owner_id = nobody WHERE owner_id = p_user;
  UPDATE jobs SET owner_id = nobody WHERE owner_id = p_user;
  UPDATE entry_versions SET created_by = nobody WHERE created_by = p_user;
  UPDATE insight_corrections SET corrected_by = nobody WHERE corrected_by = p_user;
  -- Their points in search name the author too, and are made anew.
  WITH orphaned AS (UPDATE entries SET author_id = nobody WHERE author_id = p_user RETURNING id, space_id)
  INSERT INTO outbox (id, kind, topic_or_queue, key, body)
    SELECT gen_random_uuid(), 'event', 'entry.changed', id::text, jsonb_build_object('entry_id', id, 'space_id', space_id) FROM orphaned;
END $$;

-- Erases whoever calls: their spaces with all that is in them unless others are members, what is theirs alone, and their name elsewhere. Answers the spaces
-- that are gone, whose vectors and files are still to go. A space of others that would be left without an owner is refused by its own trigger.
CREATE FUNCTION maru.erase_account() RETURNS uuid[] LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
DECLARE me CONSTANT uuid := auth.uid(); gone uuid[];
BEGIN
  IF me IS NULL THEN RAISE insufficient_privilege; END IF;
  PERFORM FROM profiles WHERE user_id = me FOR UPDATE;
  INSERT INTO erased_accounts (user_id) VALUES (me) ON CONFLICT DO NOTHING;
  SELECT coalesce(array_agg(m.space_id), '{}') INTO gone FROM space_members m
    WHERE m.user_id = me AND NOT EXISTS (SELECT FROM space_members o WHERE o.space_id = m.space_id AND o.user_id <> me);
  DELETE FROM space_members WHERE user_id = me AND space_id <> ALL (gone);
  UPDATE spaces s SET owner_id = (SELECT o.user_id FROM space_members o WHERE o.space_id = s.id AND o.role = 'owner' ORDER BY o.created_at, o.user_id LIMIT 1)
    WHERE s.owner_id = me AND s.id <> ALL (gone);
  UPDATE conversations SET space_ids = ARRAY(SELECT k FROM unnest(space_ids) k WHERE k <> ALL (gone)) WHERE owner_id <> me AND space_ids && gone;
  UPDATE worker_tokens SET space_ids = ARRAY(SELECT k FROM unnest(space_ids) k WHERE k <> ALL (gone)) WHERE space_ids && gone;
  DELETE FROM job_deltas WHERE space_id = ANY (gone);
  DELETE FROM spaces WHERE id = ANY (gone);
  DELETE FROM profiles WHERE user_id = me;
  DELETE FROM idp.users WHERE id = me;
  PERFORM scrub_account(me);
  RETURN gone;
END $$;

-- The last of it: nothing that could bring the account back is left.
CREATE FUNCTION maru.forget_erasure(p_user uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = maru AS
  $$ DELETE FROM erased_accounts WHERE user_id = p_user $$;

REVOKE ALL ON FUNCTION maru.scrub_account(uuid), maru.erase_account(), maru.forget_erasure(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.erase_account() TO authenticated;
GRANT EXECUTE ON FUNCTION maru.scrub_account(uuid), maru.forget_erasure(uuid) TO maru_api;
