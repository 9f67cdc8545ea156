# Each service is an account of its own, and may do what stands here and nothing else.

locals {
  services = ["api", "inference", "ingest", "ui"]
  # Who publishes facts and enqueues commands. They share one outbox, and whoever looks first sends what is due, so each may send all of it.
  senders = ["api", "inference", "ingest"]
}

resource "google_service_account" "runtime" {
  for_each = toset(concat(local.services, ["migrate"]))

  account_id   = "maru-${each.key}"
  display_name = "Maru ${each.key}"
  depends_on   = [google_project_service.used]
}

# The one caller: its tokens accompany push messages, tasks and the scheduler's calls, and every callback asks for exactly this account.
resource "google_service_account" "invoker" {
  account_id   = "maru-invoker"
  display_name = "Maru: calls services back"
  depends_on   = [google_project_service.used]
}

resource "google_service_account" "deployer" {
  account_id   = "maru-deployer"
  display_name = "Maru: releases, from GitHub"
  depends_on   = [google_project_service.used]
}

resource "google_pubsub_topic_iam_member" "publisher" {
  for_each = {
    for pair in setproduct(keys(google_pubsub_topic.fact), local.senders) : "${pair[1]}/${pair[0]}" => pair
  }

  topic  = google_pubsub_topic.fact[each.value[0]].name
  role   = "roles/pubsub.publisher"
  member = google_service_account.runtime[each.value[1]].member
}

resource "google_cloud_tasks_queue_iam_member" "enqueuer" {
  for_each = {
    for pair in setproduct(keys(google_cloud_tasks_queue.command), local.senders) : "${pair[1]}/${pair[0]}" => pair
  }

  name     = google_cloud_tasks_queue.command[each.value[0]].name
  location = var.region
  role     = "roles/cloudtasks.enqueuer"
  member   = google_service_account.runtime[each.value[1]].member
}

# A task names the account whose token it will carry; to name it is to act as it.
resource "google_service_account_iam_member" "names_invoker" {
  for_each = toset(local.senders)

  service_account_id = google_service_account.invoker.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.runtime[each.key].member
}

resource "google_secret_manager_secret_iam_member" "reader" {
  for_each = {
    for pair in flatten([
      for name, secret in local.secrets : [for reader in secret.readers : { name = name, reader = reader }]
    ]) : "${pair.reader}/${pair.name}" => pair
  }

  secret_id = google_secret_manager_secret.secret[each.value.name].secret_id
  role      = "roles/secretmanager.secretAccessor"
  member    = google_service_account.runtime[each.value.reader].member
}

resource "google_project_iam_member" "traces" {
  for_each = toset(local.senders)

  project = var.project
  role    = "roles/telemetry.tracesWriter"
  member  = google_service_account.runtime[each.key].member
}

# Google's own agents: Pub/Sub signs as the invoker, and moves what it gave up.
locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_service_account_iam_member" "pubsub_signs" {
  service_account_id = google_service_account.invoker.name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
  depends_on         = [google_pubsub_topic.dead_letters]
}

resource "google_pubsub_topic_iam_member" "gives_up" {
  topic  = google_pubsub_topic.dead_letters.name
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "gives_up" {
  for_each = google_pubsub_subscription.push

  subscription = each.value.name
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}

resource "google_cloud_run_v2_service_iam_member" "invoker" {
  for_each = google_cloud_run_v2_service.service

  name     = each.value.name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.invoker.member
}

# People's browsers, programs and GPU hosts have no Google account: these three check their own tokens on every route, callbacks included.
# `ingest` is not among them: Cloud Run turns away whoever is not the invoker.
resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = var.run_services ? toset(["api", "inference", "ui"]) : toset([])

  name     = google_cloud_run_v2_service.service[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = "allUsers"
}
