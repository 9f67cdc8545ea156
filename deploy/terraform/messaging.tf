# Who is told what, and what is done at which rate: `messaging.json` is written from the same table that one machine delivers by.

locals {
  messaging = jsondecode(file("${path.module}/messaging.json"))
}

resource "google_pubsub_topic" "fact" {
  for_each = toset(local.messaging.topics)

  name                       = each.key
  message_retention_duration = "604800s"

  # Facts are ordered by key within a region, and what people do stays there.
  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.used]
}

resource "google_pubsub_topic" "dead_letters" {
  name                       = "dead-letters"
  message_retention_duration = "2678400s"

  message_storage_policy {
    allowed_persistence_regions = [var.region]
  }

  depends_on = [google_project_service.used]
}

resource "google_pubsub_subscription" "push" {
  for_each = local.messaging.subscriptions

  name  = each.key
  topic = google_pubsub_topic.fact[each.value.topic].id
  # Neither filter nor order can be changed later: a change of one makes a new subscription.
  filter                     = each.value.filter
  enable_message_ordering    = true
  ack_deadline_seconds       = each.value.ack_deadline_seconds
  message_retention_duration = "604800s"

  push_config {
    push_endpoint = "${local.urls[each.value.service]}${each.value.path}"
    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = local.urls[each.value.service]
    }
  }

  retry_policy {
    minimum_backoff = each.value.minimum_backoff
    maximum_backoff = each.value.maximum_backoff
  }

  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.dead_letters.id
    max_delivery_attempts = each.value.max_delivery_attempts
  }

  # A household that goes on holiday for a month finds everything working when it comes back.
  expiration_policy {
    ttl = ""
  }
}

# What was given up is told to the api, which keeps it until an administrator has looked at it.
resource "google_pubsub_subscription" "dead_letters" {
  name                       = "api.dead-letters"
  topic                      = google_pubsub_topic.dead_letters.id
  ack_deadline_seconds       = 30
  message_retention_duration = "2678400s"

  push_config {
    push_endpoint = "${local.urls["api"]}/internal/push/dead-letters"
    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = local.urls["api"]
    }
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  expiration_policy {
    ttl = ""
  }
}

resource "google_cloud_tasks_queue" "command" {
  for_each = local.messaging.queues

  name     = each.key
  location = var.region

  rate_limits {
    max_concurrent_dispatches = each.value.max_concurrent_dispatches
    max_dispatches_per_second = each.value.max_dispatches_per_second
  }

  retry_config {
    # Cloud Tasks forgets a task after its last attempt. So it is told of none: the service sets a task aside where people see it.
    max_attempts  = -1
    min_backoff   = each.value.min_backoff
    max_backoff   = each.value.max_backoff
    max_doublings = each.value.max_doublings
  }

  stackdriver_logging_config {
    sampling_ratio = 0.1
  }

  depends_on = [google_project_service.used]
}

# Each minute each service sends what an instance that ended left behind, and tidies.
resource "google_cloud_scheduler_job" "sweep" {
  for_each = toset(local.senders)

  name             = "sweep-${each.key}"
  region           = var.region
  description      = "What an instance of ${each.key} could not finish is taken up again."
  schedule         = "* * * * *"
  time_zone        = "Etc/UTC"
  attempt_deadline = "60s"
  paused           = !var.run_services

  http_target {
    http_method = "POST"
    uri         = "${local.urls[each.key]}/internal/sweep"
    oidc_token {
      service_account_email = google_service_account.invoker.email
      audience              = local.urls[each.key]
    }
  }

  retry_config {
    # The next minute is the next attempt.
    retry_count = 0
  }

  depends_on = [google_project_service.used]
}
