"""The steps of a walk, in their order.

To add one: write `async def step(walk: Walk) -> str` in a module here. It returns what it found, raises `Broken` with a sentence when the product
is wrong and `Skipped` with a reason when it cannot be taken here, and puts the path of whatever it makes into `walk.made`, so that it goes again.
Then name it below, with what it needs and where to look when it fails.
"""

from __future__ import annotations

from maru.smoke.steps import account, health, memory, studio
from maru.smoke.walk import Step

_WORK = "logs of ingest, the subscriptions and queues that deliver to it, and the dead letters (`maru doctor`)"
_STORE = "the bucket: its keys, its CORS rule, and MARU_PUBLIC_API_URL where files lie in a folder"
_STUDIO = "logs of inference and of the worker, and the administrators' page of workers"

STEPS = (
    Step("api answers", health.api_answers, "whether the service api runs and the address is right"),
    Step("api is ready", health.api_is_ready, "the dependency that is named: its address, its secret, its own status"),
    Step(
        "inference answers",
        health.inference_answers,
        "whether the service inference runs; it must be open to everybody",
    ),
    Step("web app answers", health.web_app_answers, "logs of ui; its MARU_API_URL must name this api"),
    Step("api is described", health.api_is_described, "the release of the service api", ("api answers",)),
    Step(
        "signed in",
        account.signed_in,
        "logs of api, SUPABASE_URL and its keys, or the sign-up rule of the project",
        ("api is described",),
    ),
    Step(
        "personal space", account.has_a_space, "logs of api: the account exists and its space does not", ("signed in",)
    ),
    Step("written in Korean", memory.write_korean, "logs of api and the database", ("personal space",)),
    Step("written in English", memory.write_english, "logs of api and the database", ("personal space",)),
    Step("understood, live", memory.understood, _WORK, ("written in Korean", "written in English"), 120),
    Step("found", memory.found, "the vectors (QDRANT_URL), and logs of ingest", ("understood, live",), 60),
    Step("answered, cited", memory.answered, "logs of api and the language model's endpoint", ("found",), 120),
    Step("file stored", memory.file_stored, _STORE, ("personal space",), 60),
    Step("document understood", memory.document_understood, _WORK, ("file stored",), 120),
    Step("photo kept", memory.photo_kept, f"{_STORE}; {_WORK}", ("personal space",), 120),
    Step("job done", studio.job_done, _STUDIO, ("photo kept",), 300),
    Step("results fetched", studio.results_fetched, "logs of api, and the bucket", ("job done",), 60),
    Step("signed out", account.signed_out, "logs of api and the provider of sign-in", ("signed in",)),
)
