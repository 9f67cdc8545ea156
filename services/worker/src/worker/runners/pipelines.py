"""Diffusers pipelines, loaded once and kept while there is memory for them. Only files of the model's folder are read, and only as data."""

from __future__ import annotations

import gc
import importlib
import json
import os
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from worker.runners.models import INDEX
from worker.runners.protocol import RunFailed

if TYPE_CHECKING:
    from pathlib import Path

# Beside its weights a pipeline needs room to work in.
_ROOM = 1.25
_ROOM_BYTES = 2 * 1024**3
_OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "DO_NOT_TRACK": "1"}


@dataclass(frozen=True, slots=True)
class Loaded:
    """A pipeline in memory; `load_s` is 0 for one that was there already."""

    pipeline: Any
    load_s: float = 0


class Pipelines:
    """The least recently used makes room for a new one."""

    def __init__(self) -> None:
        os.environ.update(_OFFLINE)
        self.torch: Any = importlib.import_module("torch")
        self.diffusers: Any = importlib.import_module("diffusers")
        self._kept: OrderedDict[Path, Any] = OrderedDict()

    @property
    def device(self) -> str:
        """Where pipelines run."""
        return "cuda" if self.torch.cuda.is_available() else "cpu"

    def get(self, folder: Path) -> Loaded:
        """The pipeline of a model's folder. Raises `RunFailed`."""
        if folder in self._kept:
            self._kept.move_to_end(folder)
            return Loaded(self._kept[folder])
        began = time.monotonic()
        index = trusted_index(folder)
        needed = self._bytes_needed(folder)
        while self._kept and self._free_bytes() < needed:
            self._forget_oldest()
        pipeline = self._load(folder, index, needed)
        self._kept[folder] = pipeline
        return Loaded(pipeline, time.monotonic() - began)

    def forget_all(self) -> None:
        """Give the memory back."""
        while self._kept:
            self._forget_oldest()

    def place(self, pipeline: Any, needed: int = 0) -> Any:
        """On the device; in parts, one at a time, when it is larger than the device's memory."""
        pipeline.set_progress_bar_config(disable=True)
        if self.device == "cpu":
            return pipeline
        if needed > self.torch.cuda.get_device_properties(0).total_memory:
            pipeline.enable_model_cpu_offload()
            return pipeline
        return pipeline.to("cuda")

    def _load(self, folder: Path, index: dict[str, Any], needed: int) -> Any:
        try:
            pipeline = self.diffusers.DiffusionPipeline.from_pretrained(
                str(folder),
                dtype=self._dtype(index),
                variant=_variant(folder),
                use_safetensors=True,
                local_files_only=True,
                trust_remote_code=False,
            )
        except (OSError, ValueError, TypeError, AttributeError, ImportError) as error:
            # The folder is the operator's: another worker's may be whole.
            raise RunFailed("model_unreadable", f"{type(error).__name__}: {error}"[:2000], retryable=True) from error
        return self.place(pipeline, needed)

    def _dtype(self, index: dict[str, Any]) -> Any:
        if self.device == "cpu":
            return self.torch.float32
        half = self.torch.bfloat16 if self.torch.cuda.is_bf16_supported() else self.torch.float16
        # Wan's decoder loses detail in half precision.
        wan = "Wan" in str(index.get("vae", ""))
        return {"default": half, "vae": self.torch.float32} if wan else half

    def _bytes_needed(self, folder: Path) -> int:
        # Weights of 32 bits take half on a GPU, so this is too much for them, never too little.
        weights = sum(file.stat().st_size for file in folder.rglob("*.safetensors"))
        return int(weights * _ROOM) + _ROOM_BYTES

    def _free_bytes(self) -> int:
        if self.device == "cpu":
            return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        free, _ = self.torch.cuda.mem_get_info()
        return int(free)

    def _forget_oldest(self) -> None:
        self._kept.popitem(last=False)
        gc.collect()
        if self.device == "cuda":
            self.torch.cuda.empty_cache()


def trusted_index(folder: Path) -> dict[str, Any]:
    """The pipeline's index, when everything in it is a class of the libraries themselves. Raises `RunFailed` for a model that brings code along."""
    if next(folder.rglob("*.py"), None) is not None:
        raise RunFailed("model_refused", "The model's folder holds Python code, which is not run here.")
    try:
        index = json.loads((folder / INDEX).read_text(encoding="utf-8"))
    except ValueError as error:
        raise RunFailed("model_unreadable", f"{INDEX} is no JSON.") from error
    if not isinstance(index, dict) or not isinstance(index.get("_class_name"), str):
        raise RunFailed("model_refused", f"{INDEX} names no pipeline of diffusers.")
    return index


def _variant(folder: Path) -> str | None:
    """`fp16` when the weights are there in that variant alone."""
    names = [file.name for file in folder.rglob("*.safetensors")]
    return "fp16" if names and all(".fp16" in name for name in names) else None
