"""Hosts of Vast.ai, through its documented HTTP API.

Offers: `POST /api/v0/bundles/`; rent one: `PUT /api/v0/asks/{id}/`; end a host: `DELETE /api/v0/instances/{id}/`. Hosts are listed with
`GET /api/v1/instances/` in pages of 25: accounts made after June 2026 get 410 from the list of v0. 429 carries no Retry-After as a rule; where
one comes it is kept. (docs.vast.ai/api-reference)
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, Field, ValidationError

from inference.fleet.provider import (
    CreateUnsure,
    ListedHost,
    Needs,
    Offer,
    OfferGone,
    Order,
    ProviderAway,
    ProviderRefused,
    fits,
)

if TYPE_CHECKING:
    import httpx

_PAGE = 25
_MOST_PAGES = 400
_ATTEMPTS = 4
# What Vast asks for between two calls of one kind, and the longest that we wait when it names a time.
_PAUSE_S = 3.0
_LONGEST_PAUSE_S = 20.0
# Drivers report a few percent less memory than the list of offers.
_MEMORY_MARGIN = 1.03
_COLUMNS = ("id", "label", "machine_id", "actual_status", "intended_status", "dph_total")
_DEAD = frozenset({"exited", "stopped"})

M = TypeVar("M", bound=BaseModel)

log = logging.getLogger(__name__)


class VastHosts:
    """`HostProvider` on Vast.ai. The key travels in a header only; redirects are not followed, so that it goes nowhere else."""

    name = "vast"

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        timeout_s: float = 15,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._url = url
        self._api_key = api_key
        self._timeout_s = timeout_s
        self._sleep = sleep
        self._http: httpx.AsyncClient | None = None

    async def close(self) -> None:
        """Close the connections."""
        http, self._http = self._http, None
        if http is not None:
            await http.aclose()

    async def search_offers(self, needs: Needs, *, max_price_micros: int, disk_gib: int, life_s: float) -> list[Offer]:
        """Verified, rentable machines with one GPU, the cheapest first."""
        query: dict[str, Any] = {
            "verified": {"eq": True},
            "rentable": {"eq": True},
            "num_gpus": {"eq": 1},
            "reliability": {"gte": 0.95},
            "dph_total": {"lte": max_price_micros / 1e6},
            "duration": {"gte": life_s},
            "disk_space": {"gte": disk_gib},
            "allocated_storage": disk_gib,
            "order": [["dph_total", "asc"]],
            # A name can be asked for only whole, so a part of one is looked for among all.
            "limit": 50 if needs.gpu is None else 1000,
        }
        if needs.min_gpu_memory_gib:
            query["gpu_ram"] = {"gte": round(needs.min_gpu_memory_gib * 1024 * _MEMORY_MARGIN)}
        answer = _read(_Offers, await self._call("POST", "/api/v0/bundles/", body=query))
        offers = (found.offer() for found in answer.offers)
        # The price is checked again: it is ours to keep, not Vast's.
        kept = [
            o
            for o in offers
            if fits(o.gpu_name, needs, o.gpu_memory_gib) and o.price_micros_per_hour <= max_price_micros
        ]
        return sorted(kept, key=lambda offer: offer.price_micros_per_hour)

    async def create(self, offer: Offer, order: Order) -> str:
        """Rent it on demand; the image's own entry point runs."""
        body = {
            "image": order.image,
            "label": order.label,
            "disk": order.disk_gib,
            "runtype": "args",
            "target_state": "running",
            "cancel_unavail": True,
            "env": dict(order.env),
        }
        response = await self._send("PUT", f"/api/v0/asks/{offer.id}/", body=body, repeatable=False)
        if response.status_code in {404, 410}:
            raise OfferGone
        _refuse(response)
        try:
            created = _Created.model_validate_json(response.content)
        except ValidationError as unreadable:
            raise CreateUnsure from unreadable
        if not created.success:
            raise ProviderRefused("Vast did not rent the host, and did not say why.")
        if created.new_contract is None:
            raise CreateUnsure
        return str(created.new_contract)

    async def list_by_label(self, prefix: str) -> list[ListedHost]:
        """All pages; the filter of labels knows no prefix, so it is applied here."""
        hosts: list[ListedHost] = []
        params = {
            "select_cols": json.dumps(_COLUMNS),
            "order_by": json.dumps([{"col": "id", "dir": "asc"}]),
            "limit": str(_PAGE),
        }
        for _ in range(_MOST_PAGES):
            page = _read(_Instances, await self._call("GET", "/api/v1/instances/", params=params))
            hosts += [found.host() for found in page.instances if (found.label or "").startswith(prefix)]
            if not page.next_token:
                return hosts
            params["after_token"] = page.next_token
        raise ProviderAway("Vast's list of hosts does not end.")

    async def destroy(self, provider_id: str) -> None:
        """`DELETE`, and once more after a failure: what is gone stays gone."""
        response = await self._send("DELETE", f"/api/v0/instances/{provider_id}/", body={}, repeatable=True)
        if response.status_code == 404:
            return
        _refuse(response)
        if not _read(_Destroyed, response).success:
            raise ProviderRefused(f"Vast did not destroy host {provider_id}.")

    async def _call(self, method: str, path: str, **request: Any) -> httpx.Response:
        response = await self._send(method, path, repeatable=True, **request)
        _refuse(response)
        return response

    async def _send(
        self, method: str, path: str, *, repeatable: bool, body: Any = None, params: dict[str, str] | None = None
    ) -> httpx.Response:
        """The first answer that is not passing trouble. What may have been done is done again only where that is `repeatable`."""
        import httpx

        for attempt in range(_ATTEMPTS):
            wait_s = _PAUSE_S * 2**attempt * random.uniform(1, 1.3)  # noqa: S311 - spreads calls, guards nothing
            try:
                response = await self._client().request(method, path, json=body, params=params)
            except (httpx.ConnectError, httpx.ConnectTimeout) as never_sent:
                log.warning("vast cannot be reached: %s", type(never_sent).__name__)
            except httpx.TransportError as lost:
                if not repeatable:
                    raise CreateUnsure from lost
                log.warning("vast did not answer %s %s: %s", method, path, type(lost).__name__)
            else:
                if response.status_code == 429:
                    wait_s = _asked_pause(response, wait_s)
                elif response.status_code < 500:
                    return response
                elif not repeatable:
                    raise CreateUnsure
                log.warning("vast answered %s to %s %s", response.status_code, method, path)
            if attempt == _ATTEMPTS - 1 or wait_s > _LONGEST_PAUSE_S:
                break
            await self._sleep(wait_s)
        raise ProviderAway

    def _client(self) -> httpx.AsyncClient:
        import httpx

        if self._http is None:
            self._http = httpx.AsyncClient(
                base_url=self._url,
                headers={"Authorization": f"Bearer {self._api_key}", "Accept": "application/json"},
                timeout=httpx.Timeout(self._timeout_s, connect=5),
                follow_redirects=False,
            )
        return self._http


class _Bundle(BaseModel):
    id: int
    machine_id: int
    gpu_name: str
    gpu_ram: float
    dph_total: float = Field(ge=0, allow_inf_nan=False)

    def offer(self) -> Offer:
        return Offer(str(self.id), str(self.machine_id), self.gpu_name, self.gpu_ram / 1024, _micros(self.dph_total))


class _Offers(BaseModel):
    offers: list[_Bundle]


class _Created(BaseModel):
    success: bool
    new_contract: int | None = None


class _Destroyed(BaseModel):
    success: bool


class _Instance(BaseModel):
    id: int
    label: str | None = None
    machine_id: int | None = None
    actual_status: str | None = None
    intended_status: str | None = None
    dph_total: float | None = None

    def host(self) -> ListedHost:
        price = None if self.dph_total is None else _micros(self.dph_total)
        machine = None if self.machine_id is None else str(self.machine_id)
        dead = self.actual_status in _DEAD or self.intended_status == "stopped"
        return ListedHost(str(self.id), self.label or "", machine, price, dead)


class _Instances(BaseModel):
    instances: list[_Instance]
    next_token: str | None = None


def _read(model: type[M], response: httpx.Response) -> M:
    try:
        return model.model_validate_json(response.content)
    except ValidationError as unreadable:
        raise ProviderAway("Vast's answer cannot be read; its API may have changed.") from unreadable


def _refuse(response: httpx.Response) -> None:
    """Raise unless the answer is a success; Vast's own words are passed on."""
    if response.is_success:
        return
    if response.status_code in {401, 403}:
        raise ProviderRefused(
            f"Vast refused the key ({response.status_code}): make VAST_API_KEY one that may read and write instances."
        )
    raise ProviderRefused(f"Vast refused ({response.status_code}): {_words(response)}")


def _words(response: httpx.Response) -> str:
    try:
        answer = response.json()
    except ValueError:
        return response.text[:200]
    said = answer.get("msg") or answer.get("error") or answer.get("detail") if isinstance(answer, dict) else answer
    return str(said)[:200]


def _asked_pause(response: httpx.Response, otherwise_s: float) -> float:
    """How long a 429 asks us to wait. The daily quota of searches comes back at midnight, which is too late."""
    if "search_quota_exceeded" in response.text:
        return float("inf")
    try:
        return max(0.0, float(response.headers["retry-after"]))
    except (KeyError, ValueError):
        return otherwise_s


def _micros(dollars: float) -> int:
    return -int(-dollars * 1e6 // 1)
