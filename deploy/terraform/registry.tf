resource "google_artifact_registry_repository" "images" {
  repository_id = "maru"
  location      = var.region
  format        = "DOCKER"
  description   = "One image a service, pushed and deployed by digest."

  docker_config {
    # What a tag meant yesterday it means tomorrow. Deployments use no tags at all.
    immutable_tags = true
  }

  cleanup_policies {
    id     = "forget-old"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "7776000s"
    }
  }

  # Enough to go back to, also when nothing was deployed for long. An image is three manifests: index, content, provenance.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 60
    }
  }

  depends_on = [google_project_service.used]
}
