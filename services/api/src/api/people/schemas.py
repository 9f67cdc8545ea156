"""Bodies of `/api/v1/people`."""

from __future__ import annotations

from datetime import date
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, model_validator
from shared.contracts.identity import Person

from api.http.names import Name


def _plausible(day: date) -> date:
    if day.year < 1800:
        raise ValueError("must not lie before 1800")
    return day


BirthDate = Annotated[date, AfterValidator(_plausible)]


class NewPerson(BaseModel):
    """Somebody entries are about; without `space_id` in the caller's personal space."""

    name: Name
    birth_date: BirthDate | None = None
    relation: Name | None = None
    space_id: UUID | None = None


class PersonChange(BaseModel):
    """What is to change; what is left out stays, and a null removes."""

    name: Name | None = None
    birth_date: BirthDate | None = None
    relation: Name | None = None

    @model_validator(mode="after")
    def _keeps_a_name(self) -> PersonChange:
        if "name" in self.model_fields_set and self.name is None:
            raise ValueError("name: a person has a name; leave it out to keep it")
        return self


class PersonPage(BaseModel):
    """People by name."""

    people: list[Person]
    next_page_token: str | None = None
