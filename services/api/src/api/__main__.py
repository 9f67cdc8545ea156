"""`python -m api`: the gateway on `$PORT`, as its container runs it."""

from shared.http.serve import serve

if __name__ == "__main__":
    serve("api", "api.main:build_app", default_port=8000)
