variable "project" {
  description = "The id of the Google Cloud project that holds nothing but this installation."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{4,28}[a-z0-9]$", var.project))
    error_message = "Use the project's id, such as maru-home-4711: 6 to 30 small letters, digits and hyphens."
  }
}

variable "region" {
  description = "Where everything runs and lies. Choose the one that is nearest to the database."
  type        = string
  default     = "asia-northeast3"

  validation {
    condition     = can(regex("^[a-z]+-[a-z]+[0-9]$", var.region))
    error_message = "Use a region, such as asia-northeast3; not a zone and not a multi-region."
  }
}

variable "run_services" {
  description = "false for the first apply: Cloud Run refuses a service whose secrets have no value yet."
  type        = bool
  default     = true
}

variable "github_repository_id" {
  description = "The number of the GitHub repository that may deploy (`gh api repos/OWNER/NAME --jq .id`): others can take over a name."
  type        = string

  validation {
    condition     = can(regex("^[0-9]+$", var.github_repository_id))
    error_message = "Use the repository's number, not its name."
  }
}

variable "github_ref" {
  description = "Only workflows of this ref may deploy."
  type        = string
  default     = "refs/heads/main"

  validation {
    condition     = can(regex("^refs/(heads|tags)/[^*]+$", var.github_ref))
    error_message = "Use one full ref, such as refs/heads/main."
  }
}

variable "secret_versions" {
  description = "For each secret that has a value, the number of the version that is used. What is not named here is given to nobody."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for version in values(var.secret_versions) : can(regex("^[1-9][0-9]*$", version))])
    error_message = "Name a version by its number: `latest` would change under a running service without anybody having deployed."
  }

  validation {
    condition = length(setsubtract(keys(var.secret_versions), [
      "database-url-api", "database-url-inference", "database-url-ingest", "database-url-owner", "langsmith-api-key",
      "openai-api-key", "qdrant-api-key", "r2-access-key", "r2-secret-key", "sentry-dsn", "session-key",
      "supabase-service-key", "vast-api-key",
    ])) == 0
    error_message = "There is a name that no service reads; secrets.tf has the list."
  }
}

variable "supabase_url" {
  description = "https://REFERENCE.supabase.co: who signs people in."
  type        = string

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+$", var.supabase_url))
    error_message = "Use https://HOST without a path."
  }
}

variable "supabase_anon_key" {
  description = "Supabase's publishable key. It is meant to be seen by browsers and opens nothing by itself."
  type        = string
}

variable "qdrant_url" {
  description = "https://HOST:6333 of the Qdrant server."
  type        = string

  validation {
    condition     = can(regex("^https://", var.qdrant_url))
    error_message = "What people wrote travels to it: use https."
  }
}

variable "r2_endpoint" {
  description = "https://ACCOUNT.r2.cloudflarestorage.com, or any S3."
  type        = string

  validation {
    condition     = can(regex("^https://[a-z0-9.-]+$", var.r2_endpoint))
    error_message = "Use https://HOST, without the bucket."
  }
}

variable "r2_bucket" {
  description = "The bucket for files."
  type        = string
  default     = "maru"
}

variable "api_domain" {
  description = "A domain of your own for the api, such as api.example.org; empty for the one that Cloud Run gives."
  type        = string
  default     = ""
}

variable "ui_domain" {
  description = "A domain of your own for the web app; empty for the one that Cloud Run gives."
  type        = string
  default     = ""
}

variable "service_env" {
  description = "More variables of a service, such as { inference = { MARU_FLEET = \"dry-run\" } }. No secrets: whoever sees the service reads them."
  type        = map(map(string))
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.service_env), ["api", "inference", "ingest", "ui"])) == 0
    error_message = "The services are api, inference, ingest and ui."
  }
}

variable "max_instances" {
  description = "How many instances of a service there may be at once: the limit of what it can cost, and of its connections to the database."
  type        = map(number)
  default     = { api = 5, inference = 3, ingest = 4, ui = 3 }

  validation {
    condition = alltrue([
      toset(keys(var.max_instances)) == toset(["api", "inference", "ingest", "ui"]),
      alltrue([for most in values(var.max_instances) : most >= 1 && most <= 100]),
    ])
    error_message = "Give each of api, inference, ingest and ui a number from 1 to 100."
  }
}

variable "deletion_protection" {
  description = "Keep Terraform from deleting the services. Switch it off, apply, then destroy."
  type        = bool
  default     = true
}

variable "alert_email" {
  description = "Who hears of it when something is wrong."
  type        = string

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+\\.[^@ ]+$", var.alert_email))
    error_message = "Use an address of mail."
  }
}

variable "log_retention_days" {
  description = "How long logs are kept. They hold no words of people's, but ids of people and times."
  type        = number
  default     = 30

  validation {
    condition     = var.log_retention_days >= 1 && var.log_retention_days <= 3650
    error_message = "Use 1 to 3650 days."
  }
}

variable "billing_account" {
  description = "XXXXXX-XXXXXX-XXXXXX, for a budget that warns; empty for none."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([0-9A-F]{6}-[0-9A-F]{6}-[0-9A-F]{6})?$", var.billing_account))
    error_message = "Use XXXXXX-XXXXXX-XXXXXX, or leave it empty."
  }
}

variable "monthly_budget" {
  description = "What a month may cost, in the billing account's currency. A budget warns; it stops nothing."
  type        = number
  default     = 30

  validation {
    condition     = var.monthly_budget >= 1
    error_message = "Use 1 or more."
  }
}
