"""`maru eval`: the table of retrieval and answer quality."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared.evaluation import Dataset, Report, as_json, load_dataset, render, shipped_dataset
from shared.evaluation.dataset import DatasetBroken

from maru.api_client import Refused
from maru.errors import CannotStart
from maru.evaluation import measure, throwaway_product


def evaluate_and_say(folders: Sequence[Path], url: str | None, json_to: Path | None, env: Mapping[str, str]) -> None:
    """Measure the shipped data, or the folders given, on a Maru of its own or on the one at `url`; print the table."""
    import httpx

    if json_to is not None and not json_to.parent.is_dir():
        raise CannotStart(
            f"The folder {json_to.parent}, where the figures are to be written, does not exist: make it first."
        )
    try:
        datasets = [load_dataset(folder) for folder in folders] or [shipped_dataset()]
        reports = asyncio.run(_measure(datasets, url, env, ask=not folders))
    except (DatasetBroken, Refused) as problem:
        raise CannotStart(str(problem)) from problem
    except (httpx.HTTPError, httpx.InvalidURL) as problem:
        raise CannotStart(f"The Maru at {url} does not answer ({problem}): start it, or leave --url out.") from problem
    if json_to is not None:
        json_to.write_text(json.dumps([as_json(report) for report in reports], ensure_ascii=False, indent=2), "utf-8")
    sys.stdout.write(render(reports) + "\n")


async def _measure(datasets: Sequence[Dataset], url: str | None, env: Mapping[str, str], *, ask: bool) -> list[Report]:
    if url is not None:
        return await _measure_all(url, datasets, ask=ask)
    async with throwaway_product(env) as own:
        return await _measure_all(own, datasets, ask=ask)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")


async def _measure_all(url: str, datasets: Sequence[Dataset], *, ask: bool) -> list[Report]:
    return [await measure(url, dataset, _say, answers=ask) for dataset in datasets]
