"""The programs that the operator has named, from a TOML file. People choose one by its name and give it typed arguments, and nothing else.

[commands.thumbnail]
argv = ["/usr/bin/convert", "{input}", "-resize", "{size}x{size}", "{output}"]
output_type = "image/png"
timeout_s = 60
[commands.thumbnail.arguments.size]
type = "integer"
default = 256
minimum = 16
maximum = 4096
"""

from __future__ import annotations

import mimetypes
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from worker.exits import CannotWork
from worker.runners.protocol import RunFailed

Value = str | int | float | bool
_PLACEHOLDER = re.compile(r"\{([a-z][a-z0-9_]*)\}")
_PATHS = frozenset({"input", "output"})
_EXTENSIONS = {"image/jpeg": ".jpg", "text/plain": ".txt", "application/octet-stream": ".bin"}


class Argument(BaseModel):
    """What one argument may be. Without a default it has to be given."""

    model_config = ConfigDict(extra="forbid", strict=True)

    type: Literal["string", "integer", "number", "boolean"]
    default: Value | None = None
    choices: list[Value] | None = None
    minimum: float | None = None
    maximum: float | None = None
    pattern: str | None = None
    max_length: int = 200
    description: str = ""

    def checked(self, name: str, value: Value) -> str:
        """The value as the program gets it. Raises `RunFailed`."""
        problem = self._problem(value)
        if problem is not None:
            raise RunFailed("invalid_params", f"arguments.{name}: {problem}.")
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _problem(self, value: Value) -> str | None:
        if not self._is_typed(value):
            return f"a {self.type} is needed"
        if self.choices is not None and value not in self.choices:
            return f"one of {', '.join(map(str, self.choices))} is needed"
        if isinstance(value, str):
            return self._text_problem(value)
        if isinstance(value, bool):
            return None
        # Also refuses what is not a number at all, which compares with nothing.
        if not (self.minimum is None or value >= self.minimum) or not (self.maximum is None or value <= self.maximum):
            return f"a number from {self.minimum} to {self.maximum} is needed"
        return None if value - value == 0 else "a finite number is needed"

    def _is_typed(self, value: Value) -> bool:
        match self.type:
            case "string":
                return isinstance(value, str)
            case "boolean":
                return isinstance(value, bool)
            case "integer":
                return isinstance(value, int) and not isinstance(value, bool)
            case "number":
                return isinstance(value, int | float) and not isinstance(value, bool)

    def _text_problem(self, value: str) -> str | None:
        if len(value) > self.max_length:
            return f"at most {self.max_length} characters are taken"
        if "\0" in value:
            return "it may not contain a null character"
        if value.startswith(("-", "@")) and self.choices is None and self.pattern is None:
            # Programs read these as an option, or as a file to read.
            return "it may not begin with '-' or '@'"
        if self.pattern is not None and not re.fullmatch(self.pattern, value):
            return f"it has to match {self.pattern}"
        return None


class Command(BaseModel):
    """A program: its arguments as a list, so that no shell ever sees them."""

    model_config = ConfigDict(extra="forbid")

    argv: list[Annotated[str, Field(min_length=1)]] = Field(min_length=1)
    output_type: str = Field(pattern=r"^[a-z]+/[A-Za-z0-9.+-]+$")
    extension: str | None = Field(None, pattern=r"^\.[a-z0-9]{1,8}$")
    timeout_s: float = Field(600, gt=0, le=86_400)
    max_output_bytes: int = Field(2 * 1024**3, gt=0)
    memory_bytes: int | None = Field(None, gt=0)
    max_processes: int | None = Field(None, gt=0)
    needs_input: bool = True
    env: dict[str, str] = {}
    arguments: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$")], Argument] = {}
    description: str = ""

    @model_validator(mode="after")
    def _fits(self) -> Command:
        if not Path(self.argv[0]).is_absolute() or _PLACEHOLDER.search(self.argv[0]):
            raise ValueError("argv[0] has to be the absolute path of a program")
        used = {name for part in self.argv for name in _PLACEHOLDER.findall(part)}
        if unknown := used - _PATHS - set(self.arguments):
            raise ValueError(f"argv uses {{{'}, {'.join(sorted(unknown))}}}, which are no arguments")
        if reserved := _PATHS & set(self.arguments):
            raise ValueError(f"{', '.join(sorted(reserved))} cannot be an argument")
        for name, argument in self.arguments.items():
            if argument.default is not None:
                _checked_default(name, argument, argument.default)
        return self

    @property
    def suffix(self) -> str:
        """The extension of what it makes."""
        if self.extension is not None:
            return self.extension
        return _EXTENSIONS.get(self.output_type) or mimetypes.guess_extension(self.output_type) or ".bin"

    def line(self, given: dict[str, Value], paths: dict[str, str]) -> list[str]:
        """The program's arguments, with every value checked. Raises `RunFailed`."""
        if unknown := set(given) - set(self.arguments):
            raise RunFailed("invalid_params", f"arguments: {', '.join(sorted(unknown))} is not taken by this command.")
        values = dict(paths)
        for name, argument in self.arguments.items():
            value = given.get(name, argument.default)
            if value is None:
                raise RunFailed("invalid_params", f"arguments.{name} is needed.")
            values[name] = argument.checked(name, value)
        # Each part is filled once: a value with braces in it stays as it is.
        return [_PLACEHOLDER.sub(lambda found: values[found[1]], part) for part in self.argv]


class Catalog(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid")

    commands: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$", max_length=64)], Command] = Field(min_length=1)


def read(path: Path) -> Catalog:
    """The operator's file. Raises `CannotWork` with what is wrong in it."""
    try:
        return Catalog.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise CannotWork(f"{path}: {place}: {first['msg']}.") from error
    except (OSError, ValueError) as error:
        raise CannotWork(f"{path}: {error}.") from error


def _checked_default(name: str, argument: Argument, value: Value) -> None:
    try:
        argument.checked(name, value)
    except RunFailed as wrong:
        raise ValueError(f"the default does not fit: {wrong}") from wrong
