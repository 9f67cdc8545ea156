# Each alert is something that a person has to do; its text says what.

resource "google_monitoring_notification_channel" "mail" {
  display_name = "Maru"
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [google_project_service.used]
}

locals {
  instances = {
    for service in local.services : service => replace(local.figures.instances, local.run, "${local.run},service_name=\"${service}\"")
  }

  # `for` is how long it must be so.
  alerts = {
    errors_5xx = {
      name  = "Requests fail"
      query = "${local.figures.failures} / ${local.figures.requests} > 0.05"
      for   = "300s"
      what  = <<-EOT
        More than one in twenty requests ended with 5xx. Look at the service's errors; if a release came shortly before, `make rollback`.
      EOT
    }
    latency_p95 = {
      name  = "Answers are slow"
      query = "${local.figures.latency} > 2000"
      for   = "900s"
      what  = <<-EOT
        One in twenty requests takes longer than two seconds, streams left out. Look at the database first, then at the number of instances.
      EOT
    }
    given_up = {
      name  = "Something was given up"
      query = "(${local.figures.facts_given_up} > 0) or (${local.figures.tasks_given_up} > 0) or (${local.figures.never_taken} > 0)"
      for   = "0s"
      what  = <<-EOT
        A fact could not be delivered, or a command done, after all of its attempts; or Google refused it for good. Its cause is on the
        administrators' page; mend it, then retry from there.
      EOT
    }
    outbox = {
      name  = "Promises are not sent"
      query = "${local.figures.unsendable} > 10"
      for   = "0s"
      what  = <<-EOT
        For ten minutes or more, facts or commands could not be handed to Google. Nothing is lost: they wait in the outbox. The log line
        names the oldest's cause, such as a topic that does not exist: then `terraform apply`.
      EOT
    }
    unacknowledged = {
      name  = "Facts are not taken"
      query = "${local.figures.oldest_fact} > 900"
      for   = "300s"
      what  = <<-EOT
        A fact has waited for longer than a quarter of an hour: its receiver is away or refuses it. Look at its log for /internal/push.
      EOT
    }
    queue_depth = {
      name  = "Commands pile up"
      query = "${local.figures.queue_depth} > 500"
      for   = "1800s"
      what  = <<-EOT
        More than 500 commands have waited for half an hour. A large import does that; otherwise the receiver fails: look at its log
        for /internal/tasks.
      EOT
    }
    instances = {
      name  = "A service cannot grow any more"
      query = join(" or ", [for service, most in var.max_instances : "${local.instances[service]} >= ${most}"])
      for   = "600s"
      what  = <<-EOT
        All of a service's instances have been running for ten minutes; further requests may be refused with 429. Raise max_instances,
        within what the database's pooler takes.
      EOT
    }
    sweep = {
      name  = "The sweep stands still"
      query = "${local.figures.failed_sweeps} > 10"
      for   = "0s"
      what  = <<-EOT
        The scheduler's calls fail: what an instance left behind is not taken up. Look at the service's log for /internal/sweep.
      EOT
    }
    migration = {
      name  = "A job failed"
      query = "${local.figures.failed_jobs} > 0"
      for   = "0s"
      what  = "A migration did not go through. The release stopped there; what served before serves on. Read the execution's log."
    }
    error_lines = {
      name  = "A service reports errors"
      query = "${local.figures.error_lines} > 20"
      for   = "0s"
      what  = "More than twenty error lines in a quarter of an hour from one part of the code: the label says which."
    }
  }
}

resource "google_monitoring_alert_policy" "figure" {
  for_each = local.alerts

  display_name          = "Maru: ${each.value.name}"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.mail.id]
  severity              = "WARNING"

  conditions {
    display_name = each.value.name
    condition_prometheus_query_language {
      query               = trimspace(each.value.query)
      duration            = each.value.for
      evaluation_interval = "60s"
    }
  }

  documentation {
    content   = trimspace(each.value.what)
    mime_type = "text/markdown"
  }

  alert_strategy {
    auto_close = "86400s"
  }

  depends_on = [google_logging_metric.latency, google_logging_metric.errors, google_logging_metric.phrase]
}

resource "google_monitoring_alert_policy" "uptime" {
  for_each = google_monitoring_uptime_check_config.service

  display_name          = "Maru: ${each.key} does not answer"
  combiner              = "OR"
  notification_channels = [google_monitoring_notification_channel.mail.id]
  severity              = "CRITICAL"

  conditions {
    display_name = "Not seen from two places"
    condition_threshold {
      filter = join(" AND ", [
        "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\"",
        "resource.type=\"uptime_url\"",
        "metric.label.check_id=\"${each.value.uptime_check_id}\"",
      ])
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "300s"
      aggregations {
        alignment_period     = "600s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
      trigger {
        count = 1
      }
    }
  }

  documentation {
    content   = "Open the address. 503 from /health/ready names the dependency that does not answer."
    mime_type = "text/markdown"
  }
}
