-- The built-in identity provider: used where Supabase Auth is not. Only the gateway's own login role reaches it.
CREATE SCHEMA IF NOT EXISTS idp;
CREATE TABLE idp.users (
  id uuid PRIMARY KEY,
  email text NOT NULL CHECK (email = lower(email)),
  password_hash text NOT NULL,
  user_metadata jsonb NOT NULL DEFAULT '{}',
  app_metadata jsonb NOT NULL DEFAULT '{"provider": "email", "providers": ["email"]}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  last_sign_in_at timestamptz
);
CREATE UNIQUE INDEX users_email ON idp.users (email);
CREATE TABLE idp.sessions (
  id uuid PRIMARY KEY,
  user_id uuid NOT NULL REFERENCES idp.users ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  revoked_at timestamptz,
  revoked_because text
);
CREATE INDEX sessions_user ON idp.sessions (user_id);
-- One family per session: a token that was already exchanged and comes again revokes the session.
CREATE TABLE idp.refresh_tokens (
  token_hash bytea PRIMARY KEY,
  session_id uuid NOT NULL REFERENCES idp.sessions ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL,
  used_at timestamptz
);
CREATE INDEX refresh_tokens_age ON idp.refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_session ON idp.refresh_tokens (session_id);

-- Browser sessions of the web app: the browser holds the handle, the gateway the refresh token (sealed), scripts only a short access token.
CREATE TABLE maru.ui_tickets (
  ticket_hash bytea PRIMARY KEY,
  user_id uuid NOT NULL,
  auth_session_id text,
  sealed_tokens bytea NOT NULL,
  access_expires_at timestamptz NOT NULL,
  user_agent text,
  expires_at timestamptz NOT NULL
);
CREATE INDEX ui_tickets_age ON maru.ui_tickets (expires_at);
CREATE TABLE maru.ui_sessions (
  id uuid PRIMARY KEY,
  handle_hash bytea NOT NULL UNIQUE,
  user_id uuid NOT NULL,
  auth_session_id text,
  sealed_tokens bytea NOT NULL,
  access_expires_at timestamptz NOT NULL,
  user_agent text,
  created_at timestamptz NOT NULL DEFAULT now(),
  last_used_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz NOT NULL
);
CREATE INDEX ui_sessions_user ON maru.ui_sessions (user_id);
CREATE INDEX ui_sessions_age ON maru.ui_sessions (expires_at);

-- What a verified token cannot say itself: whether there is an account under this address, who administers, and whether the built-in provider's session still stands.
-- `p_session` is null for sessions of another provider.
CREATE FUNCTION maru.standing(p_user uuid, p_session uuid, p_email text) RETURNS TABLE (has_account boolean, is_admin boolean, alive boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = maru AS $$
  SELECT EXISTS (SELECT FROM spaces WHERE owner_id = p_user AND kind = 'personal')
           AND EXISTS (SELECT FROM profiles WHERE user_id = p_user AND lower(email) = lower(p_email)),
         coalesce((SELECT p.is_admin FROM profiles p WHERE p.user_id = p_user), false),
         p_session IS NULL
           OR EXISTS (SELECT FROM idp.sessions s WHERE s.id = p_session AND s.user_id = p_user AND s.revoked_at IS NULL) $$;
-- Only whoever runs the installation reaches this: the gateway's role may not make an administrator.
CREATE FUNCTION maru.make_admin(p_user uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = maru AS
  $$ UPDATE profiles SET is_admin = true WHERE user_id = p_user $$;
REVOKE ALL ON FUNCTION maru.standing(uuid, uuid, text), maru.make_admin(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION maru.standing(uuid, uuid, text) TO maru_api;
GRANT USAGE ON SCHEMA idp TO maru_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA idp TO maru_api;
GRANT SELECT, INSERT, UPDATE, DELETE ON maru.ui_tickets, maru.ui_sessions TO maru_api;
