"""`python -m inference`: the dispatcher on `$PORT`, as its container runs it."""

from shared.http.serve import serve

if __name__ == "__main__":
    serve("inference", "inference.main:build_app", default_port=8002)
