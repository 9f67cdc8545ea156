"""Browser sessions of the web app: the browser holds an opaque handle, scripts a short access token, and only the gateway the refresh token."""
