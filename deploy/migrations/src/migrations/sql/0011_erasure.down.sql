DROP FUNCTION maru.forget_erasure(uuid), maru.erase_account(), maru.scrub_account(uuid);
CREATE OR REPLACE FUNCTION maru.standing(p_user uuid, p_session uuid, p_email text) RETURNS TABLE (has_account boolean, is_admin boolean, alive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT EXISTS (SELECT FROM spaces WHERE owner_id = p_user AND kind = 'personal')
           AND EXISTS (SELECT FROM profiles WHERE user_id = p_user AND lower(email) = lower(p_email)),
         coalesce((SELECT p.is_admin FROM profiles p WHERE p.user_id = p_user), false),
         p_session IS NULL
           OR EXISTS (SELECT FROM idp.sessions s WHERE s.id = p_session AND s.user_id = p_user AND s.revoked_at IS NULL) $$;
CREATE OR REPLACE FUNCTION maru.create_shared_space(p_space uuid, p_name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = maru AS $$
BEGIN
  IF auth.uid() IS NULL THEN RAISE insufficient_privilege; END IF;
  INSERT INTO spaces (id, name, kind, owner_id) VALUES (p_space, p_name, 'shared', auth.uid());
  INSERT INTO space_members (space_id, user_id, role) VALUES (p_space, auth.uid(), 'owner');
END $$;
CREATE OR REPLACE FUNCTION maru.ensure_account(p_user uuid, p_email text, p_name text, p_space uuid, p_locale text)
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
DROP TABLE maru.erased_accounts;
