"""What each failure means: whether it passes, and what a person is told."""

from __future__ import annotations

import pytest
from ingest.parse.errors import (
    REFUSALS,
    FileBroken,
    FileEncrypted,
    FileOversized,
    ParseTimedOut,
    SandboxAway,
)
from ingest.pipeline.failures import Failure, StepTimedOut, TryAgain, WorkCrashed, classify
from shared.errors import BadRequest, Problem, Unavailable
from shared.llm.errors import (
    ModelCutOff,
    ModelMisconfigured,
    ModelOutputInvalid,
    ModelQuotaExhausted,
    ModelRateLimited,
    ModelRefused,
    ModelTimedOut,
)
from shared.storage.errors import ObjectMissing, StorageAway
from shared.vectors.errors import VectorsUnavailable


@pytest.mark.parametrize(
    ("error", "code", "passing", "recovers"),
    [
        (TimeoutError(), "step_timeout", True, False),
        (StepTimedOut(), "step_timeout", True, True),
        (ModelTimedOut(), "model_timeout", True, True),
        (ModelCutOff(), "model_cut_off", True, True),
        (ModelRateLimited(), "model_rate_limited", True, True),
        (ModelOutputInvalid(), "model_output_invalid", True, True),
        (ModelQuotaExhausted(), "model_quota_exhausted", False, False),
        (ModelRefused(), "model_refused", False, False),
        (ModelMisconfigured(), "model_misconfigured", False, False),
        (ObjectMissing(), "file_not_found", False, False),
        (StorageAway(), "storage_unavailable", True, True),
        (VectorsUnavailable("away"), "vectors_unavailable", True, True),
        (SandboxAway(), "sandbox_unavailable", True, True),
        (FileEncrypted(), "file_encrypted", False, False),
        (FileOversized(), "file_too_large", False, False),
        (ParseTimedOut(), "parse_timeout", False, False),
        (WorkCrashed(), "work_crashed", False, False),
        (BadRequest("no"), "bad_request", False, False),
        (KeyError("secret"), "internal_error", True, False),
        (ZeroDivisionError(), "internal_error", True, False),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_a_failure_means(error: Exception, code: str, passing: bool, recovers: bool) -> None:
    failure = classify(error)
    assert (failure.code, failure.passing, failure.recovers) == (code, passing, recovers)
    assert failure.detail.strip().endswith((".", "away", "no"))
    assert failure.document("embed") == {"code": code, "detail": failure.detail, "step": "embed"}


def test_our_own_faults_are_told_without_their_innards() -> None:
    assert "secret" not in classify(KeyError("secret")).detail
    assert "secret" not in classify(RuntimeError("secret")).detail


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_a_refused_file_is_final_and_says_what_helps(refusal: type[Problem]) -> None:
    assert classify(refusal()) == Failure(refusal.code, refusal().detail, passing=False, recovers=False)


def test_trying_again_is_answered_with_503() -> None:
    assert issubclass(TryAgain, Unavailable)
    assert TryAgain().status == 503


def test_a_broken_file_is_still_a_file_refused() -> None:
    assert REFUSALS["file_broken"] is FileBroken
