"""`diffusers`: any image or video pipeline of the diffusers library, from a folder of the operator's."""

from __future__ import annotations

import inspect
import secrets
from typing import TYPE_CHECKING, Any

from shared.contracts.runners import DiffusersParams

from worker.runners.frames import video
from worker.runners.geometry import within_area
from worker.runners.models import folder_of
from worker.runners.parameters import validated
from worker.runners.pictures import opened
from worker.runners.pipelines import Pipelines
from worker.runners.protocol import Progress, RunFailed, RunRequest, RunResult

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from PIL.Image import Image

# Of a video whose size nobody gave: what Wan's smaller models were made for.
_VIDEO_AREA = 832 * 480
_VIDEO_MULTIPLE = 16
# Given by us, or of no use in JSON.
_NOT_EXTRA = frozenset({"image", "generator", "callback_on_step_end", "output_type", "return_dict", "self"})


class DiffusersRunner:
    """See `Runner`. Ends between two steps when its run is not wanted any more, and keeps the model."""

    name = "diffusers"

    def __init__(self, models: Path) -> None:
        self._models = models
        self._pipelines: Pipelines | None = None

    def time_limit_s(self, request: RunRequest) -> float | None:
        """The agent's: nothing tells how long a model takes."""
        folder_of(self._models, validated(DiffusersParams, request.params).model)
        return None

    def run(self, request: RunRequest, progress: Progress) -> RunResult:
        """See `Runner`."""
        params = validated(DiffusersParams, request.params)
        folder = folder_of(self._models, params.model)
        picture = None if request.input is None else opened(request.input)[0].convert("RGB")
        if self._pipelines is None:
            self._pipelines = Pipelines()
        try:
            return self._made(self._pipelines, folder, params, picture, request, progress)
        except self._pipelines.torch.OutOfMemoryError as error:
            self._pipelines.forget_all()
            raise RunFailed(
                "out_of_memory", "The GPU's memory was not enough for this task.", retryable=True
            ) from error

    def _made(
        self,
        pipelines: Pipelines,
        folder: Path,
        params: DiffusersParams,
        picture: Image | None,
        request: RunRequest,
        progress: Progress,
    ) -> RunResult:
        loaded = pipelines.get(folder)
        pipeline = _fitting(pipelines, loaded.pipeline, has_picture=picture is not None)
        seed = params.seed if params.seed is not None else secrets.randbits(63)
        arguments = call_arguments(inspect.signature(pipeline.__call__).parameters, params, picture)
        # On the CPU, so that a seed gives the same noise on every machine.
        arguments["generator"] = pipelines.torch.Generator("cpu").manual_seed(seed)
        if "callback_on_step_end" in inspect.signature(pipeline.__call__).parameters:
            arguments["callback_on_step_end"] = _stepping(params.steps, progress)
        progress(0.01)
        try:
            made = pipeline(**arguments)
        except (ValueError, TypeError) as error:
            # What a pipeline says of its arguments.
            raise RunFailed("invalid_params", f"The pipeline refused: {error}"[:2000]) from error
        result = _written(made, request.output, params.fps)
        result.metrics.update(seed=seed, steps=params.steps, load_s=round(loaded.load_s, 2), device=pipelines.device)
        return result


def call_arguments(taken: Mapping[str, Any], params: DiffusersParams, picture: Image | None) -> dict[str, Any]:
    """What a pipeline whose call takes `taken` is called with. Raises `RunFailed` for what it does not take."""
    asked: dict[str, Any] = {
        "image": picture,
        "negative_prompt": params.negative_prompt or None,
        "strength": params.strength,
        "width": params.width,
        "height": params.height,
        "num_frames": params.frames,
        **_extra(params.extra),
    }
    if unknown := sorted(name for name, value in asked.items() if value is not None and name not in taken):
        raise RunFailed("invalid_params", f"The model {params.model!r} takes no {', '.join(unknown)}.")
    # Every pipeline that can use these takes them; for the others their defaults say nothing.
    usual = {"prompt": params.prompt, "num_inference_steps": params.steps, "guidance_scale": params.guidance_scale}
    asked |= {name: value for name, value in usual.items() if name in taken}
    if picture is not None and "num_frames" in taken and params.width is None and params.height is None:
        asked["width"], asked["height"] = within_area(picture.size, _VIDEO_AREA, _VIDEO_MULTIPLE)
    if picture is not None and asked.get("width") and asked.get("height"):
        asked["image"] = picture.resize((asked["width"], asked["height"]))
    return {name: value for name, value in asked.items() if value is not None}


def _extra(extra: Mapping[str, Any]) -> dict[str, Any]:
    for name, value in extra.items():
        if name in _NOT_EXTRA or name.startswith("_"):
            raise RunFailed("invalid_params", f"extra.{name} cannot be given.")
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(one, str | int | float | bool) for one in values):
            raise RunFailed("invalid_params", f"extra.{name}: numbers, texts, booleans and lists of them are taken.")
    return dict(extra)


def _fitting(pipelines: Pipelines, pipeline: Any, *, has_picture: bool) -> Any:
    """The same model as a pipeline that takes a picture, or none. Raises `RunFailed` where there is no such pipeline."""
    takes = inspect.signature(pipeline.__call__).parameters.get("image")
    needs_picture = takes is not None and takes.default is inspect.Parameter.empty
    if (has_picture and needs_picture) or (not has_picture and takes is None):
        return pipeline
    auto = (
        pipelines.diffusers.AutoPipelineForImage2Image if has_picture else pipelines.diffusers.AutoPipelineForText2Image
    )
    try:
        other = auto.from_pipe(pipeline)
    except ValueError:
        # Not one of a family, such as a video pipeline: what it takes itself decides.
        if takes is None:
            raise RunFailed("invalid_params", "This model takes no picture as its input.") from None
        if needs_picture:
            raise RunFailed("no_input", "This model needs a picture as its input.") from None
        return pipeline
    return pipeline if type(other) is type(pipeline) else pipelines.place(other)


def _stepping(steps: int, progress: Progress) -> Any:
    def stepped(pipeline: Any, step: int, _: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        total = getattr(pipeline, "num_timesteps", None) or steps
        progress(0.01 + 0.94 * min(1.0, (step + 1) / total))
        return tensors

    return stepped


def _written(made: Any, output: Path, fps: int) -> RunResult:
    if (frames := getattr(made, "frames", None)) is not None:
        return video(frames[0], output, fps)
    images = getattr(made, "images", None)
    if not images:
        raise RunFailed("no_output", "The pipeline made neither a picture nor a video.")
    path = output.with_suffix(".png")
    images[0].save(path, "PNG")
    return RunResult(path, "image/png", ".png", {"width": images[0].width, "height": images[0].height})
