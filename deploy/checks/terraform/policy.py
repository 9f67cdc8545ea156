"""What we ask of our infrastructure beyond that it is valid: who may call, who may do what, and that nothing is lost or forgotten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from deploy.checks.terraform.files import Block, Body, Module

Complaints = Iterator[tuple[Block, str]]

PUBLIC_SERVICES = frozenset({"api", "inference", "ui"})
"""Whoever has no Google account calls these; each checks its own tokens."""
PROJECT_ROLES = frozenset(
    {
        "roles/run.viewer",
        "roles/logging.logWriter",
        "roles/telemetry.tracesWriter",
        "roles/serviceusage.serviceUsageConsumer",
    }
)
"""The only roles that an account may have on the whole project: they read states or write what is only added to."""

_EVERYBODY = re.compile(r"\ball(?:Authenticated)?Users\b")
_PRIMITIVE = re.compile(r"\broles/(?:owner|editor|viewer)\b")
_QUOTED = re.compile(r'"([^"]*)"')
_RUN = {
    "google_cloud_run_v2_service": (("template",), "template[0].containers[0].image"),
    "google_cloud_run_v2_job": (("template", "template"), "template[0].template[0].containers[0].image"),
}


def check(module: Module) -> Complaints:
    """The blocks of a module that break a rule, with the rule."""
    for rule in _RULES:
        yield from rule(module)


def _resources(module: Module, *types: str) -> Iterator[Block]:
    for kind in types:
        yield from module.of("resource", kind)


def _everybody(module: Module) -> Complaints:
    for block in module.blocks:
        if not any(_EVERYBODY.search(text) for text in block.body.texts()):
            continue
        services = set(_QUOTED.findall(str(block.body.arguments.get("for_each", ""))))
        if (
            block.address != "google_cloud_run_v2_service_iam_member.public"
            or not services
            or services - PUBLIC_SERVICES
        ):
            named = ", ".join(sorted(PUBLIC_SERVICES))
            yield block, f"only google_cloud_run_v2_service_iam_member.public lets everybody call, and only {named}"


def _primitive_roles(module: Module) -> Complaints:
    for block in module.blocks:
        if any(_PRIMITIVE.search(text) for text in block.body.texts()):
            yield (
                block,
                f"{block.address} uses owner, editor or viewer: name the role that is needed, on the resource that needs it",
            )


def _project_roles(module: Module) -> Complaints:
    for block in _resources(
        module, "google_project_iam_member", "google_project_iam_binding", "google_project_iam_policy"
    ):
        named = {word for text in block.body.texts() for word in re.findall(r"roles/[\w.]+", text)}
        if block.labels[0] != "google_project_iam_member" or not named or named - PROJECT_ROLES:
            yield (
                block,
                f"{block.address} gives a role on the whole project: give it on the resource, or add it to PROJECT_ROLES with a reason",
            )


def _images(module: Module) -> Complaints:
    for block in _resources(module, *_RUN):
        ignored = " ".join(text for lifecycle in block.body.nested("lifecycle") for text in lifecycle.texts())
        if _RUN[block.labels[0]][1] not in ignored:
            yield block, f"{block.address} would put back its own image: ignore changes of {_RUN[block.labels[0]][1]}"


def _accounts(module: Module) -> Complaints:
    seen: dict[str, Block] = {}
    for block in _resources(module, *_RUN):
        path, _ = _RUN[block.labels[0]]
        for template in block.body.nested(*path):
            account = str(template.arguments.get("service_account") or "")
            if "google_service_account." not in account:
                yield block, f"{block.address} runs as the project's default account: give it one of its own"
            elif "for_each" in block.body.arguments and "each.key" not in account:
                yield block, f"{block.address}: all of its services share one account"
            elif account in seen:
                yield block, f"{block.address} shares its account with {seen[account].address}"
            else:
                seen[account] = block


def _secrets(module: Module) -> Complaints:
    for block in _resources(module, *_RUN):
        for name, body in _descend(block.body):
            # A file may follow the newest version: it is read again. A variable is read when an instance starts, each at another time.
            if name == "secret_key_ref" and _unpinned(body):
                yield (
                    block,
                    f"{block.address}: a variable's secret without a pinned version differs from instance to instance",
                )


def _unpinned(body: Body) -> bool:
    version = body.value("version")
    return version is None or "latest" in str(version)


def _descend(body: Body) -> Iterator[tuple[str, Body]]:
    for name, inner in body.blocks:
        yield name, inner
        yield from _descend(inner)


def _subscriptions(module: Module) -> Complaints:
    for block in _resources(module, "google_pubsub_subscription"):
        if [policy.value("ttl") for policy in block.body.nested("expiration_policy")] != [""]:
            yield block, f'{block.address} would be deleted after 31 quiet days: expiration_policy {{ ttl = "" }}'
        if not block.body.nested("dead_letter_policy") and block.labels[1] != "dead_letters":
            yield block, f"{block.address} has no dead_letter_policy: what cannot be delivered would be lost"
        if not block.body.nested("push_config", "oidc_token"):
            yield block, f"{block.address} pushes without an OIDC token, by which its receiver knows it"


def _queues(module: Module) -> Complaints:
    for block in _resources(module, "google_cloud_tasks_queue"):
        if [str(retry.value("max_attempts")) for retry in block.body.nested("retry_config")] not in (["-1"], ["${-1}"]):
            yield (
                block,
                f"{block.address} forgets a task after its last attempt: max_attempts = -1, the service sets it aside",
            )


def _schedules(module: Module) -> Complaints:
    for block in _resources(module, "google_cloud_scheduler_job"):
        if not block.body.nested("http_target", "oidc_token"):
            yield block, f"{block.address} calls without an OIDC token, by which its receiver knows it"


def _federation(module: Module) -> Complaints:
    for block in _resources(module, "google_iam_workload_identity_pool_provider"):
        condition = str(block.body.arguments.get("attribute_condition") or "")
        if missing := [
            name
            for name in ("assertion.repository_id", "assertion.ref")
            if not re.search(rf"{re.escape(name)}\b", condition)
        ]:
            yield block, f"{block.address} lets others in: its condition does not look at {' and '.join(missing)}"


def _idle(module: Module) -> Complaints:
    for block in _resources(module, "google_cloud_run_v2_service"):
        resources = block.body.nested("template", "containers", "resources")
        if [each.value("cpu_idle") for each in resources] not in ([True], ["${true}"], ["true"]):
            yield block, f"{block.address} is billed while nobody calls: cpu_idle = true"


_RULES: tuple[Callable[[Module], Complaints], ...] = (
    _everybody,
    _primitive_roles,
    _project_roles,
    _images,
    _accounts,
    _secrets,
    _subscriptions,
    _queues,
    _schedules,
    _federation,
    _idle,
)
RULES: Mapping[str, Callable[[Module], Complaints]] = {rule.__name__.lstrip("_"): rule for rule in _RULES}
"""Each rule by its name, so that somebody can see that each is tried."""
