"""The repository's own rules: what no general linter knows."""
