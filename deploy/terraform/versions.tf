terraform {
  required_version = ">= 1.9, < 2.0"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
  }

  # Where the state lies is not the same for any two installations: `terraform init -backend-config="bucket=…"`.
  backend "gcs" {
    prefix = "maru"
  }
}

provider "google" {
  project = var.project
  region  = var.region
  # The budget's interface belongs to the billing account and counts its calls against a project: this one.
  billing_project       = var.project
  user_project_override = true
  default_labels        = { app = "maru" }
}
