# What each service is given: its size, and the variables that its settings read.

locals {
  sizes = {
    # Streams of answers and events last as long as Cloud Run lets a request last; they resume after that.
    api = { cpu = "1", memory = "1Gi", concurrency = 80, timeout = "3600s", probe = "/health" }
    # Workers hold their request for work for up to a minute.
    inference = { cpu = "1", memory = "512Mi", concurrency = 80, timeout = "300s", probe = "/health" }
    # Reading a document takes memory: few at a time. Its longest command has ten minutes.
    ingest = { cpu = "1", memory = "2Gi", concurrency = 4, timeout = "660s", probe = "/health" }
    # A page's connection is open while somebody looks at it.
    ui = { cpu = "1", memory = "512Mi", concurrency = 40, timeout = "3600s", probe = "/_stcore/health" }
  }

  # What every service that has a database is told.
  shared_env = {
    CORS_ORIGINS             = local.public_urls["ui"]
    GOOGLE_CLOUD_PROJECT     = var.project
    GOOGLE_CLOUD_REGION      = var.region
    MARU_API_URL             = local.urls["api"]
    MARU_INFERENCE_URL       = local.urls["inference"]
    MARU_INGEST_URL          = local.urls["ingest"]
    MARU_PUBLIC_API_URL      = local.public_urls["api"]
    MARU_TRACES              = "cloud"
    MARU_UI_URL              = local.public_urls["ui"]
    PUSH_SERVICE_ACCOUNT     = google_service_account.invoker.email
    QDRANT_URL               = var.qdrant_url
    R2_BUCKET                = var.r2_bucket
    R2_ENDPOINT              = var.r2_endpoint
    SUPABASE_ANON_KEY        = var.supabase_anon_key
    SUPABASE_URL             = var.supabase_url
    DATABASE_POOLED          = "true"
    DATABASE_MAX_CONNECTIONS = "8"
  }

  env = {
    api       = merge(local.shared_env, { PUSH_AUTH_MODE = "oidc" })
    inference = merge(local.shared_env, { PUSH_AUTH_MODE = "oidc", MARU_INFERENCE_PUBLIC_URL = local.urls["inference"] })
    # Behind IAM, Cloud Run has checked the token and taken its signature away.
    ingest = merge(local.shared_env, { PUSH_AUTH_MODE = "iam", DATABASE_MAX_CONNECTIONS = "4" })
    # It has no database, no key and no storage: addresses are all it knows.
    ui = {
      MARU_API_URL         = local.urls["api"]
      MARU_INFERENCE_URL   = local.urls["inference"]
      MARU_PUBLIC_API_URL  = local.public_urls["api"]
      MARU_STORAGE_ORIGINS = var.r2_endpoint
    }
  }

  # Any image that answers, until the first release: from then on releases decide, by digest.
  first_image = "us-docker.pkg.dev/cloudrun/container/hello"
}

resource "google_cloud_run_v2_service" "service" {
  for_each = var.run_services ? local.sizes : {}

  name                = each.key
  location            = var.region
  deletion_protection = var.deletion_protection
  # Pub/Sub, Cloud Tasks and Cloud Scheduler of this project count as internal.
  ingress = each.key == "ingest" ? "INGRESS_TRAFFIC_INTERNAL_ONLY" : "INGRESS_TRAFFIC_ALL"
  # What the tokens of callbacks are made out to, whichever of its addresses a service is called by.
  custom_audiences = [local.urls[each.key]]

  template {
    service_account                  = google_service_account.runtime[each.key].email
    timeout                          = each.value.timeout
    max_instance_request_concurrency = each.value.concurrency
    # Streamlit keeps a page's state in the instance that its connection reached.
    session_affinity = each.key == "ui"
    # Documents are read in a child process under a filter of system calls, which the first generation does not know.
    execution_environment = each.key == "ingest" ? "EXECUTION_ENVIRONMENT_GEN2" : null

    scaling {
      min_instance_count = 0
      max_instance_count = var.max_instances[each.key]
    }

    containers {
      image = local.first_image

      ports {
        container_port = 8080
      }

      resources {
        # No processor and no bill while nobody calls.
        cpu_idle          = true
        startup_cpu_boost = true
        limits = {
          cpu    = each.value.cpu
          memory = each.value.memory
        }
      }

      startup_probe {
        initial_delay_seconds = 0
        period_seconds        = 1
        timeout_seconds       = 1
        failure_threshold     = 60
        http_get {
          path = each.value.probe
        }
      }

      dynamic "env" {
        for_each = merge(local.env[each.key], lookup(var.service_env, each.key, {}))
        content {
          name  = env.key
          value = env.value
        }
      }

      # Read once, when an instance starts: the version is pinned, so that all instances of a revision hold the same.
      dynamic "env" {
        for_each = { for name, secret in local.given_secrets[each.key] : name => secret if !secret.mounted }
        content {
          name = env.value.env
          value_source {
            secret_key_ref {
              secret  = google_secret_manager_secret.secret[env.key].secret_id
              version = var.secret_versions[env.key]
            }
          }
        }
      }

      # Where to read what is mounted.
      dynamic "env" {
        for_each = { for name, secret in local.given_secrets[each.key] : name => secret if secret.mounted }
        content {
          name  = env.value.env
          value = "file:///secrets/${env.key}/value"
        }
      }

      dynamic "volume_mounts" {
        for_each = [for name, secret in local.given_secrets[each.key] : name if secret.mounted]
        content {
          name       = volume_mounts.value
          mount_path = "/secrets/${volume_mounts.value}"
        }
      }
    }

    dynamic "volumes" {
      for_each = [for name, secret in local.given_secrets[each.key] : name if secret.mounted]
      content {
        name = volumes.value
        secret {
          secret = google_secret_manager_secret.secret[volumes.value].secret_id
          items {
            path    = "value"
            version = "latest"
          }
        }
      }
    }
  }

  lifecycle {
    # Releases change these: the image by its digest, and who gets how much traffic. What else changes here waits in a new revision
    # for the next release.
    ignore_changes = [client, client_version, template[0].containers[0].image, template[0].revision, traffic]

    precondition {
      condition     = length(local.missing_secrets) == 0
      error_message = "Give each of these secrets a value, and name its version in secret_versions: ${join(", ", local.missing_secrets)}."
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.reader]
}

resource "google_cloud_run_v2_job" "migrate" {
  count = var.run_services ? 1 : 0

  name                = "migrate"
  location            = var.region
  deletion_protection = var.deletion_protection

  template {
    task_count = 1

    template {
      service_account = google_service_account.runtime["migrate"].email
      timeout         = "1800s"
      # Whoever released decides whether to try again, after having read why.
      max_retries = 0

      containers {
        image = local.first_image
        # Releases name the phase. By itself the job only looks.
        args = ["migrate", "status"]

        resources {
          limits = {
            cpu    = "1"
            memory = "512Mi"
          }
        }

        dynamic "env" {
          for_each = local.given_secrets["migrate"]
          content {
            name = env.value.env
            value_source {
              secret_key_ref {
                secret  = google_secret_manager_secret.secret[env.key].secret_id
                version = var.secret_versions[env.key]
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [client, client_version, template[0].template[0].containers[0].image]
  }

  depends_on = [google_secret_manager_secret_iam_member.reader]
}
