# The figures that alerts and the dashboard look at, in PromQL over Cloud Monitoring.

locals {
  run   = "monitored_resource=\"cloud_run_revision\""
  facts = "monitored_resource=\"pubsub_subscription\""
  tasks = "monitored_resource=\"cloud_tasks_queue\""

  figures = {
    requests = "sum by (service_name) (rate(run_googleapis_com:request_count{${local.run}}[10m]))"
    failures = "sum by (service_name) (rate(run_googleapis_com:request_count{${local.run},response_code_class=\"5xx\"}[10m]))"
    # Streams left out: logs.tf says why.
    latency        = <<-EOT
      histogram_quantile(0.95, sum by (le, service) (
        rate(logging_googleapis_com:user_maru_request_latency_bucket{${local.run}}[15m])))
    EOT
    cold_starts    = <<-EOT
      histogram_quantile(0.95, sum by (le, service_name) (
        rate(run_googleapis_com:container_startup_latencies_bucket{${local.run}}[15m])))
    EOT
    memory         = <<-EOT
      histogram_quantile(0.99, sum by (le, service_name) (
        rate(run_googleapis_com:container_memory_utilizations_bucket{${local.run}}[5m])))
    EOT
    instances      = "sum by (service_name) (max_over_time(run_googleapis_com:container_instance_count{${local.run}}[5m]))"
    billed         = "sum by (service_name) (rate(run_googleapis_com:container_billable_instance_time{${local.run}}[15m]))"
    oldest_fact    = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{${local.facts}})"
    facts_given_up = "sum by (subscription_id) (increase(pubsub_googleapis_com:subscription_dead_letter_message_count{${local.facts}}[15m]))"
    queue_depth    = "max by (queue_id) (cloudtasks_googleapis_com:queue_depth{${local.tasks}})"
    task_attempts  = "sum by (queue_id, response_code) (rate(cloudtasks_googleapis_com:queue_task_attempt_count{${local.tasks}}[5m]))"
    tasks_given_up = "sum by (service) (increase(logging_googleapis_com:user_maru_given_up{${local.run}}[15m]))"
    never_taken    = "sum by (service) (increase(logging_googleapis_com:user_maru_set_aside{${local.run}}[15m]))"
    unsendable     = "sum by (service) (increase(logging_googleapis_com:user_maru_unsendable{${local.run}}[15m]))"
    error_lines    = "sum by (logger) (increase(logging_googleapis_com:user_maru_errors{${local.run}}[15m]))"
    failed_sweeps  = <<-EOT
      sum by (job_id) (increase(
        logging_googleapis_com:log_entry_count{monitored_resource="cloud_scheduler_job",severity="ERROR"}[15m]))
    EOT
    failed_jobs    = <<-EOT
      sum by (job_name) (increase(
        run_googleapis_com:job_completed_execution_count{monitored_resource="cloud_run_job",result="failed"}[15m]))
    EOT
  }
}
