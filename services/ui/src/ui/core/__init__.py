"""What every page uses: the gateway's calls, the session, language and time."""
