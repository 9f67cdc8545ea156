"""Spaces with their members, and the people that entries are about."""

from collections.abc import Mapping
from typing import Any

from shared.contracts.identity import Member, Person, Space

from ui.core.api import Api


def listed(data: Any, name: str) -> list[Mapping[str, Any]]:
    """The rows of a list answer, under its own name or bare."""
    return list(data.get(name, []) if isinstance(data, dict) else data)


def spaces(api: Api) -> list[Space]:
    return [Space.model_validate(row) for row in listed(api.call("GET", "/api/v1/spaces"), "spaces")]


def add_space(api: Api, name: str, key: str) -> None:
    api.call("POST", "/api/v1/spaces", body={"name": name}, key=key)


def members(api: Api, space_id: str) -> list[Member]:
    data = api.call("GET", f"/api/v1/spaces/{space_id}/members")
    return [Member.model_validate(row) for row in listed(data, "members")]


def invite(api: Api, space_id: str, email: str, role: str) -> None:
    api.call("POST", f"/api/v1/spaces/{space_id}/members", body={"email": email, "role": role})


def dismiss(api: Api, space_id: str, user_id: str) -> None:
    api.call("DELETE", f"/api/v1/spaces/{space_id}/members/{user_id}")


def people(api: Api) -> list[Person]:
    return [Person.model_validate(row) for row in listed(api.call("GET", "/api/v1/people"), "people")]


def add_person(api: Api, fields: Mapping[str, Any], key: str) -> None:
    api.call("POST", "/api/v1/people", body=fields, key=key)


def remove_person(api: Api, person_id: str) -> None:
    api.call("DELETE", f"/api/v1/people/{person_id}")
