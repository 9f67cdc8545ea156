# One page: what people feel on top, what causes it below.

locals {
  tiles = [
    {
      title = "Requests a second"
      query = "sum by (service_name) (rate(run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\"}[5m]))"
    },
    {
      title = "Failed, share"
      query = "sum by (service_name) (rate(run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\",response_code_class=\"5xx\"}[5m])) / sum by (service_name) (rate(run_googleapis_com:request_count{monitored_resource=\"cloud_run_revision\"}[5m]))"
    },
    {
      title = "p95 without streams, ms"
      query = "histogram_quantile(0.95, sum by (le, service) (rate(logging_googleapis_com:user_maru_request_latency_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
    },
    {
      title = "Cold starts, p95 ms"
      query = "histogram_quantile(0.95, sum by (le, service_name) (rate(run_googleapis_com:container_startup_latencies_bucket{monitored_resource=\"cloud_run_revision\"}[15m])))"
    },
    {
      title = "Instances"
      query = "sum by (service_name, state) (run_googleapis_com:container_instance_count{monitored_resource=\"cloud_run_revision\"})"
    },
    {
      title = "Memory, share of the limit, p99"
      query = "histogram_quantile(0.99, sum by (le, service_name) (rate(run_googleapis_com:container_memory_utilizations_bucket{monitored_resource=\"cloud_run_revision\"}[5m])))"
    },
    {
      title = "Oldest fact not taken, s"
      query = "max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{monitored_resource=\"pubsub_subscription\"})"
    },
    {
      title = "Given up"
      query = "sum by (subscription_id) (increase(pubsub_googleapis_com:subscription_dead_letter_message_count{monitored_resource=\"pubsub_subscription\"}[1h]))"
    },
    {
      title = "Commands given up"
      query = "sum by (service) (increase(logging_googleapis_com:user_maru_given_up{monitored_resource=\"cloud_run_revision\"}[1h]))"
    },
    {
      title = "Sweeps that left promises unsent"
      query = "sum by (service) (increase(logging_googleapis_com:user_maru_unsendable{monitored_resource=\"cloud_run_revision\"}[15m]))"
    },
    {
      title = "Commands waiting"
      query = "max by (queue_id) (cloudtasks_googleapis_com:queue_depth{monitored_resource=\"cloud_tasks_queue\"})"
    },
    {
      title = "Commands tried, by answer"
      query = "sum by (queue_id, response_code) (rate(cloudtasks_googleapis_com:queue_task_attempt_count{monitored_resource=\"cloud_tasks_queue\"}[5m]))"
    },
    {
      title = "Error lines"
      query = "sum by (logger) (increase(logging_googleapis_com:user_maru_errors{monitored_resource=\"cloud_run_revision\"}[15m]))"
    },
    {
      title = "Time that is billed, s a second"
      query = "sum by (service_name) (rate(run_googleapis_com:container_billable_instance_time{monitored_resource=\"cloud_run_revision\"}[15m]))"
    },
  ]
}

resource "google_monitoring_dashboard" "maru" {
  dashboard_json = jsonencode({
    displayName = "Maru"
    mosaicLayout = {
      columns = 12
      tiles = [
        for index, tile in local.tiles : {
          xPos   = (index % 2) * 6
          yPos   = floor(index / 2) * 4
          width  = 6
          height = 4
          widget = {
            title = tile.title
            xyChart = {
              dataSets = [{
                plotType        = "LINE"
                timeSeriesQuery = { prometheusQuery = tile.query }
              }]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.used]
}
