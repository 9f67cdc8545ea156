# Figures that only our own log lines hold. They are counted as they are written; nothing of what people wrote is in them.

resource "google_logging_project_bucket_config" "default" {
  project        = var.project
  location       = "global"
  bucket_id      = "_Default"
  retention_days = var.log_retention_days
  depends_on     = [google_project_service.used]
}

# How long answers took. Cloud Run's own figure counts a stream until its reader leaves, so streams and long polls are left out here.
resource "google_logging_metric" "latency" {
  name        = "maru/request_latency"
  description = "Milliseconds of requests that are answered at once."
  filter      = <<-EOT
    resource.type="cloud_run_revision" AND jsonPayload.logger="access" AND jsonPayload.response_time_ms>=0
    AND NOT jsonPayload.message:("/streams/" OR "/next-task" OR "/internal/" OR "/mcp" OR "/messages" OR "/chat/completions" OR "/query/stream")
  EOT

  value_extractor = "EXTRACT(jsonPayload.response_time_ms)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "ms"
    labels {
      key        = "service"
      value_type = "STRING"
    }
  }

  label_extractors = {
    service = "EXTRACT(jsonPayload.service)"
  }

  bucket_options {
    exponential_buckets {
      num_finite_buckets = 40
      growth_factor      = 1.4
      scale              = 1
    }
  }

  depends_on = [google_project_service.used]
}

resource "google_logging_metric" "errors" {
  name        = "maru/errors"
  description = "Lines that a service wrote because something is wrong."
  filter      = "resource.type=\"cloud_run_revision\" AND severity>=ERROR AND jsonPayload.logger!=\"access\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = "logger"
      value_type = "STRING"
    }
  }

  label_extractors = {
    logger = "EXTRACT(jsonPayload.logger)"
  }

  depends_on = [google_project_service.used]
}

# What our code says, word for word, when a promise is not kept. A check holds these words to the code.
locals {
  log_phrases = {
    given_up   = "is a dead letter after attempt"
    set_aside  = "is set aside"
    unsendable = "promises could not be published yet"
  }
}

resource "google_logging_metric" "phrase" {
  for_each = local.log_phrases

  name        = "maru/${each.key}"
  description = "Lines that say: ${each.value}."
  filter      = "resource.type=\"cloud_run_revision\" AND jsonPayload.message:\"${each.value}\""

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"
    labels {
      key        = "service"
      value_type = "STRING"
    }
  }

  label_extractors = {
    service = "EXTRACT(jsonPayload.service)"
  }

  depends_on = [google_project_service.used]
}
