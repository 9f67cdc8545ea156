"""What stands before Streamlit: the session cookie, security headers and the page's shell."""
