"""The runners that come with Maru: what each takes. A worker may bring others under names of their own."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

Prompt = Annotated[str, Field(max_length=4_000)]


def matters_for(field: str, *values: str) -> dict[str, JsonValue]:
    """For forms: a setting that has no effect unless another one has one of these values. `x-matters-for` in the schema."""
    return {"x-matters-for": {field: list(values)}}


def needs_one_of(names: list[JsonValue], field: str, *values: str) -> dict[str, JsonValue]:
    """For forms: with one of these values of a setting, at least one of the others is needed. `x-needs-one-of` in the schema."""
    return {"x-needs-one-of": [{"names": names, "when": {field: list(values)}}]}


class ImageParams(BaseModel):
    """`image`: classical image processing, on any machine."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra=needs_one_of(["width", "height"], "operation", "resize")
    )

    operation: Literal["upscale", "restore", "grayscale", "resize", "pad"] = "upscale"
    scale: float = Field(
        2,
        gt=0,
        le=8,
        description="upscale: how many times larger each side becomes",
        json_schema_extra=matters_for("operation", "upscale"),
    )
    strength: float = Field(
        0.5,
        ge=0,
        le=1,
        description="restore: how strongly noise is removed and contrast brought back",
        json_schema_extra=matters_for("operation", "restore"),
    )
    width: int | None = Field(
        None,
        ge=1,
        le=16_384,
        description="resize, pad: pixels",
        json_schema_extra=matters_for("operation", "resize", "pad"),
    )
    height: int | None = Field(
        None,
        ge=1,
        le=16_384,
        description="resize, pad: pixels",
        json_schema_extra=matters_for("operation", "resize", "pad"),
    )
    fit: Literal["contain", "cover", "stretch"] = Field(
        "contain",
        description="resize: how the picture fits the size",
        json_schema_extra=matters_for("operation", "resize"),
    )
    color: str = Field(
        "#ffffff",
        pattern=r"^#[0-9a-fA-F]{6}$",
        description="pad: what surrounds the picture",
        json_schema_extra=matters_for("operation", "pad"),
    )
    format: Literal["same", "jpeg", "png", "webp"] = "same"
    quality: int = Field(
        90, ge=1, le=100, description="jpeg, webp", json_schema_extra=matters_for("format", "jpeg", "webp")
    )


class DiffusersParams(BaseModel):
    """`diffusers`: any image or video pipeline of the diffusers library. What a pipeline takes beyond this goes into `extra`."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        min_length=1, max_length=200, description="A folder below the worker's models, or a registered model"
    )
    prompt: Prompt = ""
    negative_prompt: Prompt = ""
    steps: int = Field(30, ge=1, le=500)
    guidance_scale: float = Field(5.0, ge=0, le=50)
    strength: float | None = Field(None, ge=0, le=1, description="How far from the input picture")
    width: int | None = Field(None, ge=8, le=8_192, multiple_of=8)
    height: int | None = Field(None, ge=8, le=8_192, multiple_of=8)
    seed: int | None = Field(None, ge=0, le=2**63 - 1)
    frames: int | None = Field(None, ge=1, le=1_000, description="Video: how many")
    fps: int = Field(16, ge=1, le=120, description="Video")
    extra: dict[str, Any] = Field({}, description="Passed on to the pipeline")


class CommandParams(BaseModel):
    """`command`: a program that the worker's operator has named; people choose it by that name, never by a path."""

    model_config = ConfigDict(extra="forbid")

    command: str = Field(min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_-]*$")
    arguments: dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)], str | int | float | bool] = {}
    timeout_s: float = Field(600, gt=0, le=86_400)


RUNNERS: dict[str, type[BaseModel]] = {"image": ImageParams, "diffusers": DiffusersParams, "command": CommandParams}

# What a runner calls by name must be on the worker: these parameters are requirements too.
_NAMES_A_MODEL = {"diffusers": "model", "command": "command"}


def model_named(runner: str, params: dict[str, Any]) -> str | None:
    """The model or program that these parameters name, which a worker must have to be given the task."""
    named = params.get(_NAMES_A_MODEL[runner]) if runner in _NAMES_A_MODEL else None
    return named if isinstance(named, str) and named else None
