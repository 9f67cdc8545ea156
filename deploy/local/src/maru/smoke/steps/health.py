"""Is there anybody?"""

from __future__ import annotations

from maru.smoke.http import Broken, Service, Skipped
from maru.smoke.walk import Walk


async def api_answers(walk: Walk) -> str:
    """The process lives."""
    return await _lives(walk.api)


async def api_is_ready(walk: Walk) -> str:
    """Everything that it depends on answers."""
    return await _ready(walk.api)


async def inference_answers(walk: Walk) -> str:
    """Workers from elsewhere reach the dispatcher, and it reaches what it needs."""
    if walk.inference is None:
        raise Skipped("no --inference-url")
    await _lives(walk.inference)
    return await _ready(walk.inference)


async def web_app_answers(walk: Walk) -> str:
    """A browser gets the page."""
    if not walk.options.ui_url:
        raise Skipped("no --ui-url")
    ui = Service(walk.http, walk.options.ui_url.rstrip("/"))
    health = await ui.answer("GET", "/_stcore/health")
    if health.status_code != 200:
        raise Broken(f"{ui.url}/_stcore/health answered {health.status_code}")
    page = await ui.answer("GET", "/")
    if page.status_code not in (200, 302, 303, 307) or (page.status_code == 200 and "<html" not in page.text.lower()):
        raise Broken(f"{ui.url}/ answered {page.status_code} and no page")
    return ""


async def api_is_described(walk: Walk) -> str:
    """What this release can do; later steps look here."""
    document = await walk.api.ask("GET", "/openapi.json", status=200)
    walk.offers = {
        f"{method.upper()} {path}" for path, operations in document["paths"].items() for method in operations
    }
    return f"{document['info']['title']} {document['info']['version']}, {len(walk.offers)} operations"


async def _lives(service: Service) -> str:
    document = await service.ask("GET", "/health", status=200)
    if not isinstance(document, dict) or document.get("status") != "ok":
        raise Broken(f"{service.url}/health is not that of a Maru")
    return ""


async def _ready(service: Service) -> str:
    document = await service.ask("GET", "/health/ready", status=(200, 503))
    states = document["dependencies"]
    away = [name for name, state in states.items() if state["status"] != "ok"]
    if away:
        raise Broken(f"{service.url} is up, and away from it: {', '.join(away)}")
    return ", ".join(states)
