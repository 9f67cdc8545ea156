"""The check of Terraform's files finds each kind of mistake on a small module that is otherwise right, and none on ours."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]

GOOD = """
terraform {
  required_providers {
    google = {
      source  = "hashicorp/google"
      version = "6.50.0"
    }
  }
}

variable "project" {
  type = string
}

locals {
  url   = "https://${var.project}.example"
  names = { for name in ["api", "ui"] : name => "maru-${name}" }
}

data "google_project" "this" {
  project_id = var.project
}

resource "google_service_account" "runtime" {
  for_each   = local.names
  account_id = each.value
}

resource "google_cloud_run_v2_service" "service" {
  for_each = local.names
  name     = each.key
  location = "asia-northeast3"

  template {
    service_account = google_service_account.runtime[each.key].email
    containers {
      image = "hello"
      resources {
        cpu_idle = true
      }
      dynamic "env" {
        for_each = { KEY = local.url }
        content {
          name = env.key
          value_source {
            secret_key_ref {
              secret  = "key"
              version = "3"
            }
          }
        }
      }
    }
  }

  lifecycle {
    ignore_changes = [template[0].containers[0].image]
  }
}

resource "google_cloud_run_v2_service_iam_member" "public" {
  for_each = toset(["api", "ui"])
  name     = google_cloud_run_v2_service.service[each.key].name
  location = "asia-northeast3"
  role     = "roles/run.invoker"
  member   = "allUsers"
}

resource "google_project_iam_member" "watches" {
  project = data.google_project.this.number
  role    = "roles/run.viewer"
  member  = google_service_account.runtime["api"].member
}

resource "google_pubsub_topic" "fact" {
  name = "fact"
}

resource "google_pubsub_subscription" "push" {
  name  = "push"
  topic = google_pubsub_topic.fact.id
  push_config {
    push_endpoint = "${local.url}/x"
    oidc_token {
      service_account_email = google_service_account.runtime["api"].email
    }
  }
  dead_letter_policy {
    dead_letter_topic = google_pubsub_topic.fact.id
  }
  expiration_policy {
    ttl = ""
  }
}

resource "google_cloud_tasks_queue" "command" {
  name     = "command"
  location = "asia-northeast3"
  retry_config {
    max_attempts = -1
  }
}

resource "google_cloud_scheduler_job" "sweep" {
  name = "sweep"
  http_target {
    uri = local.url
    oidc_token {
      service_account_email = google_service_account.runtime["api"].email
    }
  }
}

resource "google_iam_workload_identity_pool_provider" "github" {
  workload_identity_pool_id          = "github"
  workload_identity_pool_provider_id = "workflows"
  attribute_condition                = "assertion.repository_id == '1' && assertion.ref == 'refs/heads/main'"
}
"""

SECRET = '              version = "3"\n'
OIDC = """    oidc_token {
      service_account_email = google_service_account.runtime["api"].email
    }
"""

INVALID = {
    "unknown type": ('"google_pubsub_topic" "fact"', '"google_pubsub_topik" "fact"', "google_pubsub_topik is no type"),
    "unknown argument": ('  name = "sweep"', '  name = "sweep"\n  nmae = "x"', "there is no argument nmae"),
    "unknown argument deep inside": (
        SECRET,
        SECRET + "              versoin = 1\n",
        "secret_key_ref: there is no argument versoin",
    ),
    "missing argument": (
        '  name     = "command"\n',
        "",
        "google_cloud_tasks_queue.command: the argument name is missing",
    ),
    "missing argument of a block": (
        '    push_endpoint = "${local.url}/x"\n',
        "",
        "push_config: the argument push_endpoint is missing",
    ),
    "missing block": (
        GOOD[GOOD.index("  template {") : GOOD.index("  lifecycle {")],
        "",
        "the block template is missing",
    ),
    "unknown block": ("  retry_config {", "  retry {\n  }\n  retry_config {", "there is no block retry"),
    "a block twice": (
        "  retry_config {",
        "  retry_config {\n  }\n  retry_config {",
        "there may be one block retry_config only",
    ),
    "a block as an argument": ("  expiration_policy {", "  expiration_policy = {", "expiration_policy is a block"),
    "an argument as a block": ("  account_id = each.value", "  account_id {\n  }", "account_id is an argument"),
    "undeclared variable": ("${var.project}.example", "${var.projekt}.example", "var.projekt is not declared"),
    "undeclared local": ("{ KEY = local.url }", "{ KEY = local.uri }", "local.uri is not declared"),
    "undeclared resource": (
        "dead_letter_topic = google_pubsub_topic.fact",
        "dead_letter_topic = google_pubsub_topic.fakt",
        "google_pubsub_topic.fakt is not declared",
    ),
    "undeclared data": (
        "data.google_project.this.number",
        "data.google_project.that.number",
        "data.google_project.that is not declared",
    ),
    "unknown attribute": (
        "data.google_project.this.number",
        "data.google_project.this.nmuber",
        "has no attribute nmuber",
    ),
    "declared twice": ("locals {", 'variable "project" {\n}\nlocals {', "variable project is declared twice"),
    "unused variable": ("locals {", 'variable "spare" {\n}\nlocals {', "var.spare is used by nobody"),
    "unused local": ("locals {", "locals {\n  spare = 1", "local.spare is used by nobody"),
    "another provider": ('version = "6.50.0"', 'version = "7.1.0"', "the provider google is 7.1.0"),
    "no pinned provider": ('      version = "6.50.0"\n', "", "the provider google is not pinned"),
    "no HCL": ("locals {", "locals {{", "main.tf: "),
}

FORBIDDEN = {
    "everybody": [
        ('toset(["api", "ui"])', 'toset(["api", "ingest"])', "only google_cloud_run_v2_service_iam_member.public"),
        ('"public"', '"callers"', "only google_cloud_run_v2_service_iam_member.public"),
        ('google_service_account.runtime["api"].member', '"allAuthenticatedUsers"', "lets everybody call"),
    ],
    "primitive_roles": [("roles/run.viewer", "roles/editor", "uses owner, editor or viewer")],
    "project_roles": [
        ("roles/run.viewer", "roles/run.admin", "gives a role on the whole project"),
        (
            '"google_project_iam_member" "watches"',
            '"google_project_iam_binding" "watches"',
            "gives a role on the whole project",
        ),
    ],
    "images": [("template[0].containers[0].image", "client", "would put back its own image")],
    "accounts": [
        (
            "    service_account = google_service_account.runtime[each.key].email\n",
            "",
            "runs as the project's default account",
        ),
        ("runtime[each.key].email", 'runtime["api"].email', "all of its services share one account"),
    ],
    "secrets": [
        (SECRET, "", "secret without a pinned version"),
        (SECRET, SECRET.replace("3", "latest"), "secret without a pinned version"),
    ],
    "subscriptions": [
        ('  expiration_policy {\n    ttl = ""\n  }\n', "", "would be deleted after 31 quiet days"),
        ('    ttl = ""\n', '    ttl = "86400s"\n', "would be deleted after 31 quiet days"),
        (
            "  dead_letter_policy {\n    dead_letter_topic = google_pubsub_topic.fact.id\n  }\n",
            "",
            "has no dead_letter_policy",
        ),
        ('/x"\n' + OIDC, '/x"\n', "google_pubsub_subscription.push pushes without an OIDC token"),
    ],
    "queues": [("max_attempts = -1", "max_attempts = 5", "forgets a task after its last attempt")],
    "schedules": [("uri = local.url\n" + OIDC, "uri = local.url\n", "calls without an OIDC token")],
    "federation": [
        (" && assertion.ref == 'refs/heads/main'", "", "its condition does not look at assertion.ref"),
        ("assertion.ref ==", "assertion.ref_type ==", "its condition does not look at assertion.ref"),
        ("assertion.repository_id == '1' && ", "", "does not look at assertion.repository_id"),
    ],
    "idle": [("cpu_idle = true", "cpu_idle = false", "is billed while nobody calls")],
}


def checks(name: str) -> ModuleType:
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module(f"deploy.checks.{name}")
    finally:
        sys.path.remove(str(ROOT))


def complaints(root: Path, text: str) -> list[str]:
    folder = root / "deploy" / "terraform"
    folder.mkdir(parents=True)
    (folder / "main.tf").write_text(text, encoding="utf-8")
    found: list[str] = list(checks("terraform.rule").check(root))
    return found


def changed(old: str, new: str) -> str:
    assert old in GOOD, f"{old!r} is not in the module that is right"
    return GOOD.replace(old, new, 1)


def test_a_module_that_is_right_is_left_alone(tmp_path: Path) -> None:
    assert complaints(tmp_path, GOOD) == []


@pytest.mark.parametrize("mistake", sorted(INVALID))
def test_what_terraform_would_refuse_is_found(tmp_path: Path, mistake: str) -> None:
    old, new, expected = INVALID[mistake]
    found = complaints(tmp_path, changed(old, new))
    assert any(expected in line for line in found), found


@pytest.mark.parametrize(
    ("rule", "case"), [(rule, case) for rule, cases in sorted(FORBIDDEN.items()) for case in range(len(cases))]
)
def test_what_our_rules_forbid_is_found(tmp_path: Path, rule: str, case: int) -> None:
    old, new, expected = FORBIDDEN[rule][case]
    found = complaints(tmp_path, changed(old, new))
    assert any(expected in line for line in found), found


def test_every_rule_is_tried() -> None:
    assert set(FORBIDDEN) == set(checks("terraform.policy").RULES)


def test_two_jobs_and_services_do_not_share_an_account(tmp_path: Path) -> None:
    start = GOOD.index('resource "google_cloud_run_v2_service" "service"')
    end = GOOD.index('resource "google_cloud_run_v2_service_iam_member"')
    twin = GOOD[start:end].replace('"service" {', '"twin" {')
    assert any("twin shares its account with" in line for line in complaints(tmp_path, GOOD + twin))


def test_a_complaint_names_the_file_and_the_line(tmp_path: Path) -> None:
    (found,) = complaints(tmp_path, changed('  name = "sweep"', '  name = "sweep"\n  nmae = 1'))
    line = GOOD[: GOOD.index('resource "google_cloud_scheduler_job"')].count("\n") + 1
    assert found.startswith(f"deploy/terraform/main.tf:{line}: ")


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('"plain var.x"', ""),
        ('"a-${var.x}-b"', "var.x"),
        ('${cond ? "var.no" : local.yes}', "local.yes"),
        ('${f("a ${var.inner} var.no")}', "var.inner"),
        ('${{a = "}", b = var.x}}', "var.x"),
        ('${f("\\" var.no", var.yes)}', "var.yes"),
    ],
    ids=["literal", "interpolated", "ternary", "nested", "braces", "escaped"],
)
def test_words_in_literals_are_no_references(text: str, code: str) -> None:
    read: str = checks("terraform.files").expressions(text)
    assert "var.no" not in read
    assert code in read
    assert bool(read.strip()) == bool(code)


LOCALS = """
locals {
  env         = { api = { MARU_NAME = "x" }, more = merge(local.shared_env, { MARU_OTHER = "y" }) }
  shared_env  = {}
  log_phrases = { stuck = "could not be sent" }
  all         = [local.env, local.log_phrases, local.all]
}
"""


@pytest.mark.parametrize(
    ("code", "missing"),
    [
        ('env.get("MARU_NAME"), env.get("MARU_OTHER")\nlog.error("%d could not be sent", n)', set()),
        ('env.get("MARU_NAME")\nlog.error("%d could not be sent", n)', {"no code reads the variable MARU_OTHER"}),
        ('env.get("MARU_NAME"), env.get("MARU_OTHER")', {"no code logs 'could not be sent'"}),
    ],
    ids=["all there", "a variable too many", "a line that nobody writes"],
)
def test_what_terraform_sets_or_counts_is_known_to_the_code(tmp_path: Path, code: str, missing: set[str]) -> None:
    source = tmp_path / "services/api/src/api/main.py"
    source.parent.mkdir(parents=True)
    source.write_text(code, encoding="utf-8")
    found = complaints(tmp_path, LOCALS)
    assert len(found) == len(missing)
    assert all(any(expected in line for line in found) for expected in missing), found


def test_an_alert_that_the_guide_does_not_explain_is_found(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/operations.md").write_text("| **Explained** | … |", encoding="utf-8")
    alerts = '{ a = { name = "Explained" }, b = { name = "Unheard of" } }'
    text = f'locals {{\n  alerts = {alerts}\n}}\n\noutput "all" {{\n  value = local.alerts\n}}\n'
    (found,) = complaints(tmp_path, text)
    assert "does not say what to do about the alert 'Unheard of'" in found


def test_our_own_infrastructure_keeps_the_rules() -> None:
    assert list(checks("terraform.rule").check(ROOT)) == []
