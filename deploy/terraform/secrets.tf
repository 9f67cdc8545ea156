# Names only. A person adds values (`gcloud secrets versions add`), so that no state file and no plan ever holds one.

locals {
  # `env` is the variable that a reader knows it by. What is `mounted` is a file that services read again when they are refused: it follows the
  # newest version, so a key is changed without a release. Everything else is pinned to the version that secret_versions names.
  secrets = {
    database-url-api       = { env = "DATABASE_URL", readers = ["api"], mounted = false }
    database-url-inference = { env = "DATABASE_URL", readers = ["inference"], mounted = false }
    database-url-ingest    = { env = "DATABASE_URL", readers = ["ingest"], mounted = false }
    database-url-owner     = { env = "MARU_OWNER_DATABASE_URL", readers = ["migrate"], mounted = false }
    langsmith-api-key      = { env = "LANGSMITH_API_KEY", readers = ["api", "ingest"], mounted = true }
    openai-api-key         = { env = "OPENAI_API_KEY", readers = ["api", "ingest"], mounted = true }
    qdrant-api-key         = { env = "QDRANT_API_KEY", readers = ["api", "ingest"], mounted = false }
    r2-access-key          = { env = "R2_ACCESS_KEY", readers = ["api", "inference", "ingest"], mounted = false }
    r2-secret-key          = { env = "R2_SECRET_KEY", readers = ["api", "inference", "ingest"], mounted = false }
    sentry-dsn             = { env = "SENTRY_DSN", readers = ["api", "inference", "ingest"], mounted = false }
    session-key            = { env = "MARU_SESSION_KEY", readers = ["api"], mounted = false }
    supabase-service-key   = { env = "SUPABASE_SERVICE_KEY", readers = ["api"], mounted = false }
    vast-api-key           = { env = "VAST_API_KEY", readers = ["inference"], mounted = false }
  }

  # Without these nothing starts; the others switch on what they are for.
  required_secrets = [
    "database-url-api", "database-url-inference", "database-url-ingest", "database-url-owner", "qdrant-api-key",
    "r2-access-key", "r2-secret-key", "session-key",
  ]

  missing_secrets = sort(tolist(setsubtract(local.required_secrets, keys(var.secret_versions))))

  given_secrets = {
    for reader in concat(local.services, ["migrate"]) : reader => {
      for name, secret in local.secrets : name => secret
      if contains(secret.readers, reader) && contains(keys(var.secret_versions), name)
    }
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each = local.secrets

  secret_id = each.key
  # Values stay in the region where they are read.
  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.used]
}
