output "urls" {
  description = "Where the services answer."
  value       = merge(local.urls, local.public_urls)
}

output "images" {
  description = "Where images are pushed to."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "github_variables" {
  description = "What the repository's Actions need to know, as variables: none of it is secret."
  value = {
    GOOGLE_CLOUD_PROJECT     = var.project
    GOOGLE_CLOUD_REGION      = var.region
    GOOGLE_DEPLOYER          = google_service_account.deployer.email
    GOOGLE_IDENTITY_PROVIDER = google_iam_workload_identity_pool_provider.github.name
    MARU_API_URL             = local.public_urls["api"]
    MARU_UI_URL              = local.public_urls["ui"]
  }
}

output "secrets_without_version" {
  description = "Required secrets that secret_versions does not name yet."
  value       = local.missing_secrets
}

output "dashboard" {
  description = "The page with the figures."
  value       = "https://console.cloud.google.com/monitoring/dashboards?project=${var.project}"
}
