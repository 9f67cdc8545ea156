# Each alert is something that a person has to do; its text says what.

resource "google_monitoring_notification_channel" "mail" {
  display_name = "Maru"
  type         = "email"
  labels       = { email_address = var.alert_email }
  depends_on   = [google_project_service.used]
}

locals {
  # PromQL over Cloud Monitoring: `for` is how long it must be so.
  alerts = {
    errors_5xx = {
      name  = "Requests fail"
      query = <<-EOT
        sum by (service_name) (rate(run_googleapis_com:request_count{monitored_resource="cloud_run_revision",response_code_class="5xx"}[10m]))
        / sum by (service_name) (rate(run_googleapis_com:request_count{monitored_resource="cloud_run_revision"}[10m])) > 0.05
      EOT
      for   = "300s"
      what  = "More than one in twenty requests ended with 5xx. Look at the service's errors; if a release came shortly before, `make rollback`."
    }
    latency_p95 = {
      name  = "Answers are slow"
      query = "histogram_quantile(0.95, sum by (le, service) (rate(logging_googleapis_com:user_maru_request_latency_bucket{monitored_resource=\"cloud_run_revision\"}[15m]))) > 2000"
      for   = "900s"
      what  = "One in twenty requests takes longer than two seconds, streams left out. Look at the database first, then at the number of instances."
    }
    dead_letters = {
      name  = "Something was given up"
      query = "sum by (subscription_id) (increase(pubsub_googleapis_com:subscription_dead_letter_message_count{monitored_resource=\"pubsub_subscription\"}[15m])) > 0"
      for   = "0s"
      what  = "A fact could not be delivered after all of its attempts. Its cause is on the administrators' page; mend it, then retry from there."
    }
    commands_given_up = {
      name  = "A command was given up"
      query = "sum by (service) (increase(logging_googleapis_com:user_maru_given_up{monitored_resource=\"cloud_run_revision\"}[15m])) > 0 or sum by (service) (increase(logging_googleapis_com:user_maru_set_aside{monitored_resource=\"cloud_run_revision\"}[15m])) > 0"
      for   = "0s"
      what  = "A command failed at its last attempt, or Google refused it for good. Its cause is on the administrators' page; mend it, then retry from there."
    }
    outbox = {
      name  = "Promises are not sent"
      query = "sum by (service) (increase(logging_googleapis_com:user_maru_unsendable{monitored_resource=\"cloud_run_revision\"}[15m])) > 10"
      for   = "0s"
      what  = "For ten minutes or more, facts or commands could not be handed to Google. Nothing is lost: they wait in the outbox. The log line names the oldest's cause, such as a topic that does not exist: then `terraform apply`."
    }
    unacknowledged = {
      name  = "Facts are not taken"
      query = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{monitored_resource=\"pubsub_subscription\"}) > 900"
      for   = "300s"
      what  = "A fact has waited for longer than a quarter of an hour: its receiver is away or refuses it. Look at the receiver's log for /internal/push."
    }
    queue_depth = {
      name  = "Commands pile up"
      query = "max by (queue_id) (cloudtasks_googleapis_com:queue_depth{monitored_resource=\"cloud_tasks_queue\"}) > 500"
      for   = "1800s"
      what  = "More than 500 commands have waited for half an hour. A large import does that; otherwise the receiver fails: look at its log for /internal/tasks."
    }
    instances = {
      name  = "A service cannot grow any more"
      query = join(" or ", [for service, most in var.max_instances : "sum by (service_name) (max_over_time(run_googleapis_com:container_instance_count{monitored_resource=\"cloud_run_revision\",service_name=\"${service}\"}[5m])) >= ${most}"])
      for   = "600s"
      what  = "All of a service's instances have been running for ten minutes; further requests may be refused with 429. Raise max_instances, within what the database's pooler takes."
    }
    sweep = {
      name  = "The sweep stands still"
      query = "sum by (job_id) (increase(logging_googleapis_com:log_entry_count{monitored_resource=\"cloud_scheduler_job\",severity=\"ERROR\"}[15m])) > 10"
      for   = "0s"
      what  = "The scheduler's calls fail: what an instance left behind is not taken up. Look at the scheduler's log and at the service's for /internal/sweep."
    }
    migration = {
      name  = "A job failed"
      query = "sum by (job_name) (increase(run_googleapis_com:job_completed_execution_count{monitored_resource=\"cloud_run_job\",result=\"failed\"}[15m])) > 0"
      for   = "0s"
      what  = "A migration did not go through. The release stopped there; what served before serves on. Read the execution's log."
    }
    error_lines = {
      name  = "A service reports errors"
      query = "sum by (logger) (increase(logging_googleapis_com:user_maru_errors{monitored_resource=\"cloud_run_revision\"}[15m])) > 20"
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
    content   = each.value.what
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
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND resource.type=\"uptime_url\" AND metric.label.check_id=\"${each.value.uptime_check_id}\""
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
