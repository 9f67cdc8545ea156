# One page: what people feel on top, what causes it below.

locals {
  tiles = [
    { title = "Requests a second", query = local.figures.requests },
    { title = "Failed, share", query = "${local.figures.failures} / ${local.figures.requests}" },
    { title = "p95 without streams, ms", query = local.figures.latency },
    { title = "Cold starts, p95 ms", query = local.figures.cold_starts },
    { title = "Instances", query = local.figures.instances },
    { title = "Memory, share of the limit, p99", query = local.figures.memory },
    { title = "Oldest fact not taken, s", query = local.figures.oldest_fact },
    { title = "Facts given up", query = local.figures.facts_given_up },
    { title = "Commands waiting", query = local.figures.queue_depth },
    { title = "Commands tried, by answer", query = local.figures.task_attempts },
    { title = "Commands given up", query = local.figures.tasks_given_up },
    { title = "Sweeps that left promises unsent", query = local.figures.unsendable },
    { title = "Error lines", query = local.figures.error_lines },
    { title = "Time that is billed, s a second", query = local.figures.billed },
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
                timeSeriesQuery = { prometheusQuery = trimspace(tile.query) }
              }]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.used]
}
