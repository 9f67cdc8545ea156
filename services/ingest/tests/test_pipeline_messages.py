"""Messages: envelopes, versions and reasons, whatever comes; which queue each fact leads to."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ingest.handlers import FACTS
from ingest.messages import EntryDeleted, EntrySaved, RefreshEntry
from pydantic import ValidationError
from shared.pushes import MessageMalformed, open_envelope, reason


def _envelope(data: object, **fields: Any) -> bytes:
    encoded = base64.b64encode(json.dumps(data).encode()).decode()
    return json.dumps({"message": {"data": encoded, "messageId": "m-1", **fields}}).encode()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=8), json_values, max_size=4))
def test_an_envelope_gives_back_what_was_put_in(data: dict[str, Any]) -> None:
    opened = open_envelope(_envelope(data))
    assert (opened.message_id, opened.data) == ("m-1", data)


@settings(max_examples=150)
@given(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()))
def test_anything_else_is_malformed_and_nothing_worse(raw: bytes) -> None:
    with pytest.raises(MessageMalformed, match="not a push envelope"):
        open_envelope(raw)


@settings(max_examples=60)
@given(json_values, json_values)
def test_an_envelope_of_odd_parts_is_malformed_and_nothing_worse(data: Any, message_id: Any) -> None:
    raw = json.dumps({"message": {"data": data, "messageId": message_id}}).encode()
    with pytest.raises(MessageMalformed):
        open_envelope(raw)


@pytest.mark.parametrize("message_id", ["", "a\nb", "a\x00", "x" * 201, 5, None, ["m"]])
def test_a_message_id_is_a_short_printable_name(message_id: Any) -> None:
    with pytest.raises(MessageMalformed):
        open_envelope(_envelope({}, messageId=message_id))


def test_the_older_name_of_the_message_id_is_taken_too() -> None:
    raw = json.loads(_envelope({"a": 1}))
    raw["message"]["message_id"] = raw["message"].pop("messageId")
    assert open_envelope(json.dumps(raw).encode()).message_id == "m-1"


@pytest.mark.parametrize("version", [0, -1, 2**31, 10**30, "x", None, 1.5, float("inf")])
def test_a_version_that_no_row_can_have_is_refused_before_the_database_sees_it(version: Any) -> None:
    fields = {"entry_id": str(uuid4()), "space_id": str(uuid4()), "version": version}
    with pytest.raises(ValidationError) as refused:
        EntrySaved.model_validate(fields)
    assert reason(refused.value).startswith("version: ")


def test_a_reason_names_fields_and_never_what_they_hold() -> None:
    with pytest.raises(ValidationError) as refused:
        RefreshEntry.model_validate({"entry_id": "my diary", "space_id": "my diary", "vectors": "my diary"})
    assert {part.split(":")[0] for part in reason(refused.value).split("; ")} == {"entry_id", "space_id", "vectors"}
    assert "my diary" not in reason(refused.value)


def test_each_fact_leads_to_one_queue() -> None:
    assert {topic: fact.queue for topic, fact in FACTS.items()} == {
        "entry.saved": "index-entry",
        "entry.changed": "refresh-entry",
        "entry.insights_corrected": "refresh-entry",
        "entry.deleted": "forget-entry",
        "space.deleted": "forget-space",
    }
    assert FACTS["entry.changed"].also == {"vectors": True}
    assert FACTS["entry.insights_corrected"].also == {"vectors": False}


@pytest.mark.parametrize(
    "key", ["spaces/x", "spaces/{space}/original", "spaces/{other}/{upload}/original", "original", ""]
)
def test_a_deletion_takes_only_files_of_uploads_in_its_own_space(key: str) -> None:
    space, other, upload = uuid4(), uuid4(), uuid4()
    names = {"space": space, "other": other, "upload": upload}
    mine = f"spaces/{space}/{upload}/original"
    assert EntryDeleted(entry_id=uuid4(), space_id=space, object_keys=[mine]).object_keys == [mine]
    with pytest.raises(ValidationError):
        EntryDeleted(entry_id=uuid4(), space_id=space, object_keys=[mine, key.format(**names)])
