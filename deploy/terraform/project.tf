data "google_project" "this" {
  project_id = var.project
}

resource "google_project_service" "used" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "cloudscheduler.googleapis.com",
    "cloudtasks.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "logging.googleapis.com",
    "monitoring.googleapis.com",
    "pubsub.googleapis.com",
    "run.googleapis.com",
    "secretmanager.googleapis.com",
    "sts.googleapis.com",
    "telemetry.googleapis.com",
  ])

  service = each.key
  # Somebody else in this project may use it.
  disable_on_destroy = false
}

locals {
  # Known before a service exists, so that subscriptions and services can name each other.
  urls = {
    for service in ["api", "inference", "ingest", "ui"] :
    service => "https://${service}-${data.google_project.this.number}.${var.region}.run.app"
  }
  public_urls = {
    api = var.api_domain == "" ? local.urls["api"] : "https://${var.api_domain}"
    ui  = var.ui_domain == "" ? local.urls["ui"] : "https://${var.ui_domain}"
  }
}
