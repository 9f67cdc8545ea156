DROP FUNCTION maru.forget_erasure(uuid), maru.erase_account(), maru.scrub_account(uuid);
CREATE OR REPLACE FUNCTION maru.standing(p_user uuid, p_session uuid, p_email text) RETURNS TABLE (has_account boolean, is_admin boolean, alive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT EXISTS (SELECT FROM spaces WHERE owner_id = p_user AND kind = 'personal')
           AND EXISTS (SELECT FROM profiles WHERE user_id = p_user AND lower(email) = lower(p_email)),
         coalesce((SELECT p.is_admin FROM profiles p WHERE p.user_id = p_user), false),
         p_session IS NULL
           OR EXISTS (SELECT FROM idp.sessions s WHERE s.id = p_session AND s.user_id = p_user AND s.revoked_at IS NULL) $$;
DROP TABLE maru.erased_accounts;
