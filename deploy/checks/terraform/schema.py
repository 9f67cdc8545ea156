"""What the Google provider's resources take, as `google_schema.json` beside this file keeps it.

The provider itself is a binary that needs a registry of its own. Its schema is also published as Python source (`locks/terraform-schema.txt` names
the wheel); `make terraform-schema` reads the types that our files use out of it.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.checks.terraform.files import Module, modules

_HERE = Path(__file__).resolve().parent
SCHEMA = _HERE / "google_schema.json"
PACKAGE = "cdktf_cdktf_provider_google"
COMMAND = "make terraform-schema"
_META = frozenset({"connection", "count", "depends_on", "for_each", "lifecycle", "provider", "provisioners"})
_VERSION = re.compile(r"registry\.terraform\.io/providers/hashicorp/google/(\d+\.\d+\.\d+)/")


@dataclass(frozen=True, slots=True)
class Block:
    """A nested block, or a whole resource."""

    required: bool
    many: bool
    arguments: Mapping[str, Block | bool]
    """The blocks inside, and for a plain argument whether it is required."""


@dataclass(frozen=True, slots=True)
class ResourceType:
    """`attributes` are what may be read of it, the arguments among them."""

    block: Block
    attributes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Schema:
    """The types that somebody read out of the provider; data sources begin with `data.`."""

    provider: str
    types: Mapping[str, ResourceType]


def load(path: Path = SCHEMA) -> Schema:
    """The schema as it was written."""
    written = json.loads(path.read_text(encoding="utf-8"))
    return Schema(
        written["provider"],
        {
            name: ResourceType(_block(kind["arguments"]), frozenset(kind["attributes"]))
            for name, kind in written["types"].items()
        },
    )


def _block(written: Mapping[str, Any], *, required: bool = False, many: bool = False) -> Block:
    arguments: dict[str, Block | bool] = {}
    for name, value in written.items():
        plain, _, flags = name.partition(" ")
        if isinstance(value, Mapping):
            arguments[plain] = _block(value, required="!" in flags, many="*" in flags)
        else:
            arguments[plain] = bool(value)
    return Block(required, many, arguments)


def read_type(package: Path, name: str) -> dict[str, Any] | None:
    """One type as the provider's Python source has it, or None when there is no such type."""
    words = name.removeprefix("data.").removeprefix("google_")
    folder = f"data_google_{words}" if name.startswith("data.") else words
    source = package / folder / "__init__.py"
    if not source.exists():
        return None
    tree = ast.parse(source.read_text(encoding="utf-8"))
    classes = {node.name: node for node in tree.body if isinstance(node, ast.ClassDef)}
    bare = folder.replace("_", "")
    resource = next(found for found in classes if found.lower() == bare)
    return {
        "arguments": {
            name: value
            for name, value in _arguments(classes, f"{resource}Config", resource).items()
            if name not in _META
        },
        "attributes": sorted(_attributes(classes[resource])),
    }


def _arguments(classes: Mapping[str, ast.ClassDef], name: str, resource: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for argument, annotation, required in _parameters(classes[name]):
        inner = next((word for word in re.findall(r"\w+", annotation) if word in classes and word != resource), None)
        if inner is None:
            found[argument] = int(required)
            continue
        flags = ("!" if required else "") + ("*" if "Sequence" in annotation else "")
        found[f"{argument} {flags}".rstrip()] = _arguments(classes, inner, resource)
    return dict(sorted(found.items()))


def _parameters(node: ast.ClassDef) -> Iterator[tuple[str, str, bool]]:
    for method in node.body:
        if isinstance(method, ast.FunctionDef) and method.name == "__init__":
            for argument, default in zip(method.args.kwonlyargs, method.args.kw_defaults, strict=True):
                if argument.annotation is not None:
                    yield argument.arg.removesuffix("_"), ast.unparse(argument.annotation), default is None


def _attributes(node: ast.ClassDef) -> set[str]:
    names = {
        method.name
        for method in node.body
        if isinstance(method, ast.FunctionDef)
        and any(
            isinstance(mark, ast.Call | ast.Attribute | ast.Name) and "property" in ast.unparse(mark)
            for mark in method.decorator_list
        )
    }
    return {name for name in names if not name.endswith("_input")}


def _types_of(found: list[Module]) -> set[str]:
    return {
        ("data." if block.kind == "data" else "") + block.labels[0]
        for module in found
        for block in module.blocks
        if block.kind in {"resource", "data"} and block.labels[0].startswith("google_")
    }


def main(folder: Path, root: Path) -> int:
    """Write the schema of the types that our files use, from the wheel unpacked in `folder`."""
    package = folder / PACKAGE
    version = _VERSION.search((package / "project" / "__init__.py").read_text(encoding="utf-8"))
    if version is None:
        sys.exit(f"maru: {package} does not say which version of the provider it describes")
    names = sorted(_types_of(modules(root / "deploy" / "terraform")))
    types = {name: read_type(package, name) for name in names}
    if missing := [name for name, found in types.items() if found is None]:
        sys.exit(f"maru: the Google provider {version[1]} has no {', '.join(missing)}")
    lines = [f"    {json.dumps(name)}: {json.dumps(types[name], separators=(',', ':'))}" for name in names]
    SCHEMA.write_text(
        f'{{\n  "provider": "{version[1]}",\n  "types": {{\n' + ",\n".join(lines) + "\n  }\n}\n", encoding="utf-8"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), _HERE.parents[2]))
