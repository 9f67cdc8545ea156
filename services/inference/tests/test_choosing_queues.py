"""Which queues a worker is served from, and in which order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from inference.choosing import Rotation, servable
from inference.queue import Queue
from shared.contracts.dispatch import Capabilities
from shared.contracts.studio import Requirements


@given(st.lists(st.integers(0, 9), min_size=1, unique=True), st.integers(1, 40))
def test_a_queue_is_served_again_only_after_all_the_others(queues: list[int], rounds: int) -> None:
    rotation, served = Rotation(), []
    for _ in range(rounds):
        first = rotation.order(queues)[0]
        rotation.serve(first)
        served.append(first)
    for start in range(0, rounds, len(queues)):
        turn = served[start : start + len(queues)]
        assert len(set(turn)) == len(turn)


@given(st.lists(st.integers(0, 9), unique=True), st.lists(st.integers(0, 9)))
def test_an_order_leaves_nothing_out(queues: list[int], served: list[int]) -> None:
    rotation = Rotation()
    for queue in served:
        rotation.serve(queue)
    assert sorted(rotation.order(queues)) == sorted(queues)


def test_a_worker_is_served_from_the_queues_that_it_can_do() -> None:
    queues = [
        Queue(1, "image", Requirements(), 1),
        Queue(2, "diffusers", Requirements(gpu="H200"), 1),
        Queue(3, "diffusers", Requirements(), 0),
    ]
    assert servable(queues, Capabilities.model_validate({"runners": ["image"]})) == [1]
    assert servable(queues, Capabilities.model_validate({"runners": ["diffusers"], "gpu_name": "NVIDIA H200"})) == [
        2,
        3,
    ]
    assert servable(queues, Capabilities()) == [1, 3]
