"""Terraform's files against the provider's schema and against each other: types, arguments, nested blocks, references."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deploy.checks.terraform import policy, schema, wiring
from deploy.checks.terraform.files import Block, Body, BrokenFile, Module, modules
from deploy.checks.terraform.schema import COMMAND, Schema

FOLDER = Path("deploy/terraform")
_META_ARGUMENTS = frozenset({"count", "depends_on", "for_each", "provider"})
_META_BLOCKS = frozenset({"lifecycle", "provisioner", "connection"})
_REFERENCE = re.compile(r"(?<![\w.\]])(data\.)?(google_\w+)\.(\w+)((?:\[[^\]]*\])?)(?:\.(\w+))?")
_NAMED = re.compile(r"(?<![\w.\]])(var|local|module)\.(\w+)")
_ROOTS = {"var": "variable", "module": "module"}
_PIN = re.compile(r"\d+\.\d+\.\d+")


def check(root: Path) -> Iterator[str]:
    """Everything that `terraform plan` would refuse, as far as it can be known without the provider, and our own rules."""
    try:
        found = modules(root / FOLDER)
    except BrokenFile as broken:
        yield str(broken).replace(f"{root}/", "")
        return
    known = schema.load()
    for module in found:
        for block, complaint in (*_validate(module, known), *policy.check(module), *wiring.check(module, root)):
            yield f"{block.path.relative_to(root)}:{block.line}: {complaint}"


def _validate(module: Module, known: Schema) -> Iterator[tuple[Block, str]]:
    yield from _twice(module)
    for block in module.blocks:
        if block.kind in {"resource", "data"} and block.labels[0].startswith("google_"):
            yield from ((block, complaint) for complaint in _typed(block, known))
        yield from ((block, complaint) for complaint in _references(block, module, known))
    yield from _unused(module)
    yield from _provider(module, known)


def _twice(module: Module) -> Iterator[tuple[Block, str]]:
    seen: set[tuple[str, str]] = set()
    for block in module.blocks:
        name = (block.kind, block.address)
        if name in seen and block.address:
            yield block, f"{block.kind} {block.address} is declared twice"
        seen.add(name)


def _typed(block: Block, known: Schema) -> Iterator[str]:
    name = ("data." if block.kind == "data" else "") + block.labels[0]
    kind = known.types.get(name)
    if kind is None:
        yield f"{name} is no type of the provider that we know: run '{COMMAND}', which says whether there is one"
        return
    yield from _body(block.body, kind.block, block.address, top=True)


def _body(body: Body, spec: schema.Block, where: str, *, top: bool = False) -> Iterator[str]:
    ours = _META_ARGUMENTS if top else frozenset()
    given = set(body.arguments) - ours
    for name in sorted(given):
        match spec.arguments.get(name):
            case None:
                yield f"{where}: there is no argument {name}"
            case schema.Block():
                yield f"{where}: {name} is a block, without an equals sign"
            case _:
                continue
    nested: dict[str, int] = {}
    for name, inner in body.blocks:
        if top and name in _META_BLOCKS:
            continue
        nested[name] = nested.get(name, 0) + 1
        match spec.arguments.get(name):
            case schema.Block() as block:
                yield from _body(inner, block, f"{where}.{name}")
            case None:
                yield f"{where}: there is no block {name}"
            case _:
                yield f"{where}: {name} is an argument, with an equals sign"
    yield from _counted(spec, given, nested, where)


def _counted(spec: schema.Block, given: set[str], nested: dict[str, int], where: str) -> Iterator[str]:
    for name, argument in spec.arguments.items():
        if isinstance(argument, schema.Block):
            if argument.required and not nested.get(name):
                yield f"{where}: the block {name} is missing"
            if not argument.many and nested.get(name, 0) > 1:
                yield f"{where}: there may be one block {name} only"
        elif argument and name not in given:
            yield f"{where}: the argument {name} is missing"


def _references(block: Block, module: Module, known: Schema) -> Iterator[str]:
    code = block.body.code()
    for prefix, name in sorted(set(_NAMED.findall(code)) - _declared(module)):
        yield f"{prefix}.{name} is not declared"
    for data, kind, name, _, attribute in sorted(set(_REFERENCE.findall(code))):
        label = f"{data}{kind}"
        if not any(found.labels == (kind, name) for found in module.of("data" if data else "resource")):
            yield f"{label}.{name} is not declared"
        elif attribute and label in known.types and attribute not in known.types[label].attributes:
            yield f"{label}.{name} has no attribute {attribute}"


def _declared(module: Module) -> set[tuple[str, str]]:
    names = {("local", name) for block in module.of("locals") for name in block.body.arguments}
    return names | {(prefix, block.labels[0]) for prefix, kind in _ROOTS.items() for block in module.of(kind)}


def _unused(module: Module) -> Iterator[tuple[Block, str]]:
    code = "\n".join(block.body.code() for block in module.blocks)
    used = set(_NAMED.findall(code))
    for block in module.of("variable"):
        # A variable that only its own validation looks at is still used by nobody.
        others = "\n".join(each.body.code() for each in module.blocks if each is not block)
        if ("var", block.labels[0]) not in set(_NAMED.findall(others)):
            yield block, f"var.{block.labels[0]} is used by nobody"
    for block in module.of("locals"):
        for name in block.body.arguments:
            if ("local", name) not in used:
                yield block, f"local.{name} is used by nobody"


def _provider(module: Module, known: Schema) -> Iterator[tuple[Block, str]]:
    """The provider is pinned to the version whose schema we check against."""
    for block in module.of("terraform"):
        for providers in block.body.nested("required_providers"):
            google = providers.arguments.get("google")
            text = str(google.get("version", "")) if isinstance(google, dict) else ""
            version = _PIN.search(text)
            if version is None or version[0] != known.provider:
                pinned = text.strip('"') or "not pinned"
                yield (
                    block,
                    f"the provider google is {pinned}, our schema is of {known.provider}: pin that version, or run '{COMMAND}'",
                )
