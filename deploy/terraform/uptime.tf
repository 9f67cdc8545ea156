# Somebody outside looks, as people do: through the public addresses.

locals {
  uptime = {
    # Ready asks the database, the vectors and the storage as well.
    api       = { host = trimprefix(local.public_urls["api"], "https://"), path = "/health/ready" }
    inference = { host = trimprefix(local.urls["inference"], "https://"), path = "/health/ready" }
    ui        = { host = trimprefix(local.public_urls["ui"], "https://"), path = "/_stcore/health" }
  }
}

resource "google_monitoring_uptime_check_config" "service" {
  for_each = local.uptime

  display_name = "Maru ${each.key}"
  # Often enough to hear of it within the quarter of an hour, seldom enough to cost nothing.
  period           = "300s"
  timeout          = "30s"
  selected_regions = ["ASIA_PACIFIC", "EUROPE", "USA_OREGON"]

  http_check {
    path         = each.value.path
    port         = 443
    use_ssl      = true
    validate_ssl = true
    accepted_response_status_codes {
      status_class = "STATUS_CLASS_2XX"
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project
      host       = each.value.host
    }
  }

  depends_on = [google_project_service.used]
}
