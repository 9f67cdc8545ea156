"""Sign-up, sign-in and sign-out: the built-in provider with Supabase Auth's HTTP shapes, and the gate that judges access tokens."""
