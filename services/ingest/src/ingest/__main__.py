"""`python -m ingest`."""

from shared.http.serve import serve

if __name__ == "__main__":
    serve("ingest", "ingest.main:build_app", default_port=8001)
