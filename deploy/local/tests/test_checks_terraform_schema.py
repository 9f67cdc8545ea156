"""What a type of resource takes is read out of the provider's Python source, and ours is of the provider that we pin."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[3]

SOURCE = """
class PubsubThing:
    @jsii.member(jsii_name="name")
    @builtins.property
    def name(self): ...
    @builtins.property
    @jsii.member(jsii_name="nameInput")
    def name_input(self): ...
    def put_policy(self): ...

class PubsubThingConfig:
    def __init__(
        self, *, count: typing.Optional[jsii.Number] = None, name: builtins.str,
        policy: typing.Union["PubsubThingPolicy", typing.Dict[builtins.str, typing.Any]],
        rules: typing.Optional[typing.Union[IResolvable, typing.Sequence[typing.Union[PubsubThingRules, typing.Dict]]]] = None,
        labels: typing.Optional[typing.Mapping[builtins.str, builtins.str]] = None,
    ) -> None: ...

class PubsubThingPolicy:
    def __init__(self, *, count: jsii.Number, ttl: typing.Optional[builtins.str] = None) -> None: ...

class PubsubThingRules:
    def __init__(self, *, inner: typing.Optional[typing.Union[PubsubThingPolicy, typing.Dict]] = None) -> None: ...
"""


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("deploy.checks.terraform.schema")
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    for folder, name in (("pubsub_thing", "PubsubThing"), ("data_google_pubsub_thing", "DataGooglePubsubThing")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").write_text(SOURCE.replace("PubsubThing", name), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("name", ["google_pubsub_thing", "data.google_pubsub_thing"])
def test_arguments_blocks_and_attributes_are_told_apart(schema: ModuleType, package: Path, name: str) -> None:
    assert schema.read_type(package, name) == {
        "arguments": {
            "labels": 0,
            "name": 1,
            "policy !": {"count": 1, "ttl": 0},
            "rules *": {"inner": {"count": 1, "ttl": 0}},
        },
        "attributes": ["name"],
    }


def test_a_type_that_the_provider_does_not_have_is_none(schema: ModuleType, package: Path) -> None:
    assert schema.read_type(package, "google_pubsub_thong") is None


def test_the_schema_holds_every_type_that_we_use_and_no_other(schema: ModuleType) -> None:
    files = sys.modules["deploy.checks.terraform.files"]
    used = {
        ("data." if block.kind == "data" else "") + block.labels[0]
        for module in files.modules(ROOT / "deploy" / "terraform")
        for block in module.blocks
        if block.kind in {"resource", "data"}
    }
    assert set(schema.load().types) == used


def test_what_is_written_is_read_back(schema: ModuleType) -> None:
    service = schema.load().types["google_cloud_run_v2_service"]
    template = service.block.arguments["template"]
    containers = template.arguments["containers"]
    assert (template.required, template.many) == (True, False)
    assert (containers.required, containers.many) == (False, True)
    assert containers.arguments["image"] is True
    assert "uri" in service.attributes
