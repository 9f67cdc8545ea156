"""Questions go on while the model's key is replaced, and what LangSmith is told of them holds nothing of what was asked."""

from __future__ import annotations

from pathlib import Path

from api.main import Engines, build_app
from shared.secret_values import SecretEnvironment
from shared.streams import StreamHub
from shared.testing.langsmith_peer import langsmith_peer
from shared.testing.openai_peer import Reply
from shared.testing.serving import served
from shared.testing.waiting import eventually


class Clock:
    """Seconds that pass when the test says so."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


async def open_with_key_in_a_file(house, key: Path, clock: Clock, **more: str) -> str:
    variables = house.environment | house.peer.environment | {"MARU_EMBEDDING_MODEL": "none"} | more
    env = SecretEnvironment(variables | {"OPENAI_API_KEY": f"file://{key}"}, clock=clock)
    app = build_app(env, Engines(hub=StreamHub(), vectors=house.vectors))
    return await house.stack.enter_async_context(served(app))


async def test_the_first_question_after_a_key_was_revoked_is_answered_with_the_next(house, tmp_path: Path) -> None:
    key, clock = tmp_path / "openai", Clock()
    key.write_text("sk-peer")
    jiwoo = await house.sign_up(await open_with_key_in_a_file(house, key, clock))
    await jiwoo.remember("The kettle is in the hall.")
    conversation = await jiwoo.begin()
    first = await jiwoo.ask(conversation, "Where is the kettle?")
    assert (first["status"], len(house.peer.chats)) == ("done", 1)
    key.write_text("sk-next")
    house.peer.api_key = "sk-next"
    clock.now += 6
    second = await jiwoo.ask(await jiwoo.begin(), "Which room has the kettle?")
    assert (second["status"], len(house.peer.chats)) == ("done", 2)
    assert house.peer.requests[-1].headers["authorization"] == "Bearer sk-next"


async def test_langsmith_is_told_of_an_answer_and_not_of_its_words(house, tmp_path: Path) -> None:
    key = tmp_path / "openai"
    key.write_text("sk-peer")
    house.peer.script(Reply("In the hall."))
    with langsmith_peer() as smith:
        url = await open_with_key_in_a_file(house, key, Clock(), **smith.environment)
        jiwoo = await house.sign_up(url)
        await jiwoo.remember("The kettle is in the hall.")
        await jiwoo.ask(await jiwoo.begin(), "Where is the kettle?")
        (run,) = await eventually(lambda: smith.runs)
    assert not smith.refused
    assert run["name"] == "answer"
    assert run["extra"]["metadata"]["prompt_version"]
    told = b"".join(smith.bodies)
    for word in (b"kettle", b"hall", jiwoo.id.encode(), jiwoo.space_id.encode()):
        assert word not in told
