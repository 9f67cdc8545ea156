"""Clients of other services take a new key without being made anew by hand, over the wire."""

from __future__ import annotations

from pathlib import Path

import pytest
from shared.llm import ChatMessage, ModelMisconfigured, TextDelta, open_llm
from shared.llm.traces import ModelTraceSettings
from shared.secret_values import SecretEnvironment
from shared.settings import LlmSettings, StorageSettings, VectorSettings
from shared.storage import LinkRefused, StorageAway, open_folder, open_storage
from shared.testing.langsmith_peer import langsmith_peer
from shared.testing.openai_peer import OpenAiPeer, Reply
from shared.testing.qdrant_peer import running_qdrant
from shared.testing.s3_peer import run_s3_peer
from shared.testing.waiting import eventually
from shared.vectors.errors import VectorsUnavailable
from shared.vectors.factory import open_vectors


class Secrets:
    """Variables in files, and a clock to let them grow old."""

    def __init__(self, folder: Path, **values: str) -> None:
        self._folder = folder
        self.now = 1000.0
        for name, value in values.items():
            self.write(name, value)
        self.variables = {name: f"file://{folder / name}" for name in values}

    def environment(self, **more: str) -> SecretEnvironment:
        return SecretEnvironment({**self.variables, **more}, clock=lambda: self.now)

    def write(self, name: str, value: str) -> None:
        newer = self._folder / f"{name}.new"
        newer.write_text(value)
        newer.replace(self._folder / name)

    def rotate(self, name: str, value: str) -> None:
        """A new value, and the time after which it is looked for."""
        self.write(name, value)
        self.now += 600


async def test_a_model_refusing_the_old_key_is_asked_again_with_the_new_one(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, OPENAI_API_KEY="sk-old")
    async with OpenAiPeer(api_key="sk-old", default=Reply("Yes.")) as peer:
        models = open_llm(LlmSettings.from_env(secrets.environment(OPENAI_BASE_URL=peer.base_url)))
        assert models.language is not None
        language = models.language

        async def ask() -> str:
            pieces = [one async for one in language.stream([ChatMessage("user", "?")], max_tokens=9)]
            return "".join(one.text for one in pieces if isinstance(one, TextDelta))

        assert await ask() == "Yes."
        peer.api_key = "sk-new"
        secrets.now += 10
        with pytest.raises(ModelMisconfigured):
            await ask()
        # The first request that is refused after the rotation finds the new key by itself.
        secrets.write("OPENAI_API_KEY", "sk-new")
        secrets.now += 10
        assert await ask() == "Yes."
        assert peer.requests[-1].headers["authorization"] == "Bearer sk-new"
        assert models.embedder is not None
        await models.embedder.embed(["one"])
        await models.close()


async def test_a_bucket_is_signed_for_with_the_new_key(tmp_path: Path) -> None:
    with run_s3_peer() as peer:
        secrets = Secrets(tmp_path, R2_ACCESS_KEY=peer.access_key, R2_SECRET_KEY="outdated")
        env = secrets.environment(R2_ENDPOINT=peer.endpoint, R2_BUCKET=peer.bucket)
        store = open_storage(StorageSettings.from_env(env))
        with pytest.raises(StorageAway):
            await store.put("spaces/a", b"one", "text/plain")
        secrets.rotate("R2_SECRET_KEY", peer.secret_key)

        async def works() -> bool:
            try:
                await store.put("spaces/a", b"one", "text/plain")
            except StorageAway:
                return False
            return True

        await eventually(works)
        assert (await store.head("spaces/a")) is not None
        await store.close()


async def test_addresses_of_files_are_signed_with_the_first_key_and_accepted_with_any(tmp_path: Path) -> None:
    old, new = "an old key for files", "a new key for files"
    secrets = Secrets(tmp_path, MARU_FILES_KEY=old)
    store = open_folder(StorageSettings.from_env(secrets.environment(MARU_HOME=str(tmp_path))))

    async def address() -> tuple[str, str]:
        key, _, query = (await store.presign_get("spaces/a")).partition("/files/")[2].partition("?")
        return key, query

    before = await address()
    secrets.rotate("MARU_FILES_KEY", f"{new},{old}")
    await eventually(lambda: store.allowed("GET", *before))
    await eventually(lambda: _changed(address, before))
    after = await address()
    assert store.allowed("GET", *before)
    assert store.allowed("GET", *after)
    secrets.rotate("MARU_FILES_KEY", new)

    def refused() -> bool:
        try:
            store.allowed("GET", *before)
        except LinkRefused:
            return True
        return False

    await eventually(refused)
    assert store.allowed("GET", *after)


async def _changed(address: object, before: tuple[str, str]) -> bool:
    assert callable(address)
    return bool(await address() != before)


async def test_a_vector_server_is_reached_with_the_new_key(tmp_path: Path) -> None:
    with running_qdrant(api_key="old") as peer:
        secrets = Secrets(tmp_path, QDRANT_API_KEY="old")
        vectors = open_vectors(VectorSettings.from_env(secrets.environment(QDRANT_URL=peer.url)))
        await vectors.ready()
        peer.api_key = "new"
        with pytest.raises(VectorsUnavailable):
            await vectors.ready()
        secrets.rotate("QDRANT_API_KEY", "new")

        async def works() -> bool:
            try:
                await vectors.ready()
            except VectorsUnavailable:
                return False
            return True

        await eventually(works)
        await vectors.close()


async def test_langsmith_is_told_with_the_new_key(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path, LANGSMITH_API_KEY="ls-old")
    async with OpenAiPeer(default=Reply("Yes.")) as model:
        with langsmith_peer() as peer:
            peer.keys = {"ls-old"}
            env = secrets.environment(LANGSMITH_ENDPOINT=peer.url, **model.environment)
            models = open_llm(LlmSettings.from_env(env), ModelTraceSettings.from_env(env))
            assert models.language is not None
            language = models.language

            async def ask() -> None:
                assert [one async for one in language.stream([ChatMessage("user", "?")], max_tokens=9)]

            await ask()
            await eventually(lambda: len(peer.runs) == 1)
            peer.keys = {"ls-new"}
            secrets.rotate("LANGSMITH_API_KEY", "ls-new")

            async def told() -> bool:
                """What was refused meanwhile is lost, what comes after is not."""
                await ask()
                return len(peer.runs) > 1

            await eventually(told, every=0.2)
            await models.close()
