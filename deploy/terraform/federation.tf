# GitHub's workflows prove who they are by GitHub's own token: there is no key of this project that could be stolen.

resource "google_iam_workload_identity_pool" "github" {
  workload_identity_pool_id = "github"
  display_name              = "GitHub"
  depends_on                = [google_project_service.used]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  workload_identity_pool_id          = google_iam_workload_identity_pool.github.workload_identity_pool_id
  workload_identity_pool_provider_id = "workflows"
  display_name                       = "Workflows"

  attribute_mapping = {
    "google.subject"          = "assertion.sub"
    "attribute.repository_id" = "assertion.repository_id"
    "attribute.ref"           = "assertion.ref"
  }
  # Every repository of the world gets its tokens from this issuer.
  attribute_condition = "assertion.repository_id == '${var.github_repository_id}' && assertion.ref == '${var.github_ref}'"

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_service_account_iam_member" "github_deploys" {
  service_account_id = google_service_account.deployer.name
  role               = "roles/iam.workloadIdentityUser"
  member = join("/", [
    "principalSet://iam.googleapis.com", google_iam_workload_identity_pool.github.name, "attribute.repository_id", var.github_repository_id,
  ])
}

resource "google_artifact_registry_repository_iam_member" "deployer" {
  repository = google_artifact_registry_repository.images.name
  location   = var.region
  role       = "roles/artifactregistry.writer"
  member     = google_service_account.deployer.member
}

resource "google_cloud_run_v2_service_iam_member" "deployer" {
  for_each = google_cloud_run_v2_service.service

  name     = each.value.name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.deployer.member
}

resource "google_cloud_run_v2_job_iam_member" "deployer" {
  count = var.run_services ? 1 : 0

  name     = google_cloud_run_v2_job.migrate[0].name
  location = var.region
  role     = "roles/run.developer"
  member   = google_service_account.deployer.member
}

# A revision runs as its service's account; whoever makes one must be allowed to act as it.
resource "google_service_account_iam_member" "deployer_acts" {
  for_each = google_service_account.runtime

  service_account_id = each.value.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.deployer.member
}

# To wait for an operation and for a job's execution, which are not below the service or the job.
resource "google_project_iam_member" "deployer_watches" {
  project = var.project
  role    = "roles/run.viewer"
  member  = google_service_account.deployer.member
}
