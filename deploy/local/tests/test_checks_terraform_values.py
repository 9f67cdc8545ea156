"""Terraform itself works out our tables, where it is installed: what no check of names can see, such as a wrong key or a type that does not fit."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / "deploy" / "terraform"
# What only Google could tell.
TOLD = {
    "data.google_project.this.number": '"123456"',
    "google_service_account.invoker.email": '"invoker@example.org"',
}
OUTPUTS = {
    "env": "{ for service, env in local.env : service => merge(env, lookup(var.service_env, service, {})) }",
    "given": "local.given_secrets",
    "services": "keys(var.run_services ? local.sizes : {})",
    "endpoints": 'sort([for one in local.messaging.subscriptions : "${local.urls[one.service]}${one.path}"])',
    "queries": "concat([for one in local.alerts : one.query], [for one in local.tiles : one.query])",
    "missing": "local.missing_secrets",
    "known": "keys(local.secrets)",
    "checks": "local.uptime",
    "others": "[local.public_urls, local.first_image, local.pubsub_agent, local.senders, local.services, local.log_phrases]",
}

pytestmark = pytest.mark.skipif(shutil.which("terraform") is None, reason="terraform judges where it is installed")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Our variables and tables, and no resource: Google's provider is not needed to work them out."""
    made = tmp_path_factory.mktemp("terraform")
    shutil.copy(FOLDER / "variables.tf", made)
    shutil.copy(FOLDER / "messaging.json", made)
    tables = "\n".join(
        table
        for path in sorted(FOLDER.glob("*.tf"))
        for table in re.findall(r"^locals \{\n.*?^\}\n", path.read_text(), re.MULTILINE | re.DOTALL)
    )
    for name, value in TOLD.items():
        tables = tables.replace(name, value)
    outputs = "\n".join(f'output "{name}" {{\n  value = {value}\n}}' for name, value in OUTPUTS.items())
    (made / "main.tf").write_text(f"{tables}\n{outputs}\n", encoding="utf-8")
    terraform(made, "init")
    return made


def terraform(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = ["terraform", f"-chdir={folder}", *words, "-no-color", "-input=false"]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)


def worked_out(folder: Path, **values: Any) -> dict[str, Any]:
    """The outputs, with the example's values and these."""
    done = terraform(
        folder, "apply", "-auto-approve", f"-var-file={FOLDER / 'terraform.tfvars.example'}", *given(values)
    )
    assert done.returncode == 0, done.stderr
    told = subprocess.run(
        ["terraform", f"-chdir={folder}", "output", "-json"], capture_output=True, text=True, check=True, timeout=60
    )
    return {name: output["value"] for name, output in json.loads(told.stdout).items()}


def given(values: dict[str, Any]) -> list[str]:
    return [f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]


def test_the_example_is_enough_for_a_first_apply_without_services(folder: Path) -> None:
    found = worked_out(folder)
    assert found["services"] == []
    assert "database-url-owner" in found["missing"]
    assert set(found["missing"]) <= set(found["known"])
    assert all("https://" in endpoint and "/internal/push/" in endpoint for endpoint in found["endpoints"])
    assert all(re.search(r"[a-z]+_googleapis_com:", query) for query in found["queries"])
    (limits,) = [query for query in found["queries"] if "container_instance_count" in query and ">=" in query]
    assert all(f'service_name="{service}"}}[5m])) >= ' in limits for service in ("api", "inference", "ingest", "ui"))


def test_a_service_is_given_its_own_secrets_and_no_others(folder: Path) -> None:
    found = worked_out(
        folder,
        run_services=True,
        secret_versions={
            "database-url-api": "1",
            "database-url-owner": "2",
            "openai-api-key": "3",
            "vast-api-key": "1",
        },
        service_env={"inference": {"MARU_FLEET": "dry-run"}},
        ui_domain="maru.example.org",
    )
    assert found["services"] == ["api", "inference", "ingest", "ui"]
    assert {service: sorted(secrets) for service, secrets in found["given"].items()} == {
        "api": ["database-url-api", "openai-api-key"],
        "inference": ["vast-api-key"],
        "ingest": ["openai-api-key"],
        "migrate": ["database-url-owner"],
        "ui": [],
    }
    assert found["env"]["inference"]["MARU_FLEET"] == "dry-run"
    assert found["env"]["api"]["CORS_ORIGINS"] == "https://maru.example.org"
    assert found["env"]["ingest"]["PUSH_AUTH_MODE"] == "iam"
    assert {name for name, env in found["env"].items() if env.get("PUSH_AUTH_MODE") == "oidc"} == {"api", "inference"}
    assert not any("KEY" in name or ("URL" in name and "DATABASE" in name) for name in found["env"]["ui"])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("project", "X", "Use the project's id"),
        ("region", "asia-northeast3-a", "Use a region"),
        ("github_repository_id", "owner/name", "number, not its name"),
        ("github_ref", "refs/heads/*", "one full ref"),
        ("secret_versions", {"session-key": "latest"}, "by its number"),
        ("secret_versions", {"sesion-key": "1"}, "no service reads"),
        ("supabase_url", "https://x.supabase.co/auth", "without a path"),
        ("qdrant_url", "http://q:6333", "use https"),
        ("r2_endpoint", "https://a.example/bucket", "without the bucket"),
        ("service_env", {"worker": {}}, "The services are"),
        ("max_instances", {"api": 5}, "Give each of"),
        ("alert_email", "nobody", "address of mail"),
        ("log_retention_days", 0, "1 to 3650"),
        ("billing_account", "123", "XXXXXX-XXXXXX-XXXXXX"),
        ("monthly_budget", 0, "Use 1 or more"),
    ],
    ids=[
        "project",
        "region",
        "repository",
        "ref",
        "latest",
        "unknown secret",
        "supabase",
        "qdrant",
        "r2",
        "service",
        "instances",
        "mail",
        "logs",
        "billing",
        "budget",
    ],
)
def test_a_value_that_cannot_be_meant_is_refused_with_what_to_write(
    folder: Path, name: str, value: Any, said: str
) -> None:
    done = terraform(folder, "plan", f"-var-file={FOLDER / 'terraform.tfvars.example'}", *given({name: value}))
    assert done.returncode == 1
    assert said in " ".join(done.stderr.split())
