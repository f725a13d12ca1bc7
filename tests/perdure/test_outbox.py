"""What a model says, kept for watchers in other processes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure.event_hub import EventHub
from perdure.event_transport import Delta, use_transport
from perdure.limits import MAX_TAKEN_BYTES
from perdure.outbox import Outbox


def say(outbox: Outbox, *events: Any, run_id: str = "r", stream: str = "s", first: int = 0, turn: int = 1) -> None:
    """Publishes an attempt, or more of it."""
    told = [None, *events] if first == 0 else list(events)
    for number, data in enumerate(told, first):
        outbox.publish(run_id, Delta("", turn, 1, data, 0, number, stream, "e"))


def taken(outbox: Outbox, stream: str = "", number: int = 0, run_id: str = "r") -> tuple[str, int, list[Any]] | None:
    found = outbox.take(run_id, stream, number)
    return None if found is None else (found.begin.stream, found.number, [json.loads(each) for each in found.events])


def test_each_is_told_what_it_does_not_have() -> None:
    outbox = Outbox()
    assert taken(outbox) is None
    say(outbox, "a", "b")
    assert taken(outbox) == ("s", 1, ["a", "b"])
    say(outbox, "c", first=3)
    assert taken(outbox, "s", 2) == ("s", 3, ["c"])
    assert taken(outbox, "s", 3) == ("s", 4, [])
    assert taken(outbox, "another", 2) == ("s", 1, ["a", "b", "c"])


def test_an_attempt_takes_the_place_of_the_one_before() -> None:
    outbox = Outbox()
    say(outbox, "a")
    say(outbox, "b", stream="t")
    say(outbox, "late", first=2)
    assert taken(outbox, "s", 1) == ("t", 1, ["b"])


def test_nothing_comes_after_what_was_left_out() -> None:
    outbox = Outbox()
    say(outbox, "a")
    say(outbox, "c", first=3)
    say(outbox, "d", first=4)
    assert taken(outbox) == ("s", 1, ["a"])


@pytest.mark.parametrize("event", [object(), {"no json": {1, 2}}, "x" * (MAX_TAKEN_BYTES + 1)])
def test_nothing_comes_after_what_cannot_travel(event: Any) -> None:
    outbox = Outbox()
    say(outbox, "a", event, "b")
    assert taken(outbox) == ("s", 1, ["a"])
    say(outbox, "c", first=4)
    assert taken(outbox, "s", 1) == ("s", 2, [])


def test_an_answer_of_many_bytes_comes_in_parts() -> None:
    outbox, part = Outbox(), "x" * (MAX_TAKEN_BYTES // 2)
    say(outbox, part, part, part)
    first = taken(outbox)
    assert first is not None
    assert len(first[2]) == 1
    assert taken(outbox, "s", 1) == ("s", 2, [part])


def test_a_run_is_watched_while_somebody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox()
    assert not outbox.is_watched("r")
    taken(outbox)
    assert (outbox.is_watched("r"), outbox.is_watched("another")) == (True, False)
    monkeypatch.setattr("perdure.outbox.WATCHED_SECONDS", -1.0)
    taken(outbox)
    assert not outbox.is_watched("r")


def test_what_nobody_watches_any_more_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox()
    monkeypatch.setattr("perdure.outbox.WATCHED_SECONDS", -1.0)
    say(outbox, "a")
    say(outbox, "b", run_id="another")
    monkeypatch.undo()
    assert taken(outbox) is None
    assert taken(outbox, run_id="another") == ("s", 1, ["b"])


class Other:
    """Another way between processes."""

    def __init__(self) -> None:
        self.published: list[Delta] = []

    def is_watched(self, run_id: str) -> bool:
        return run_id == "r"

    def publish(self, run_id: str, delta: Delta) -> None:
        self.published.append(delta)

    async def watch(self, run_id: str, task_queue: str, take: Any) -> Any:
        raise NotImplementedError


def test_another_way_takes_the_place_of_the_outbox() -> None:
    hub, other, delta = EventHub(), Other(), Delta("", 1, 1)
    use_transport(other)
    try:
        assert (hub.is_watched_elsewhere("r"), hub.is_watched_elsewhere("another")) == (True, False)
        hub.publish("r", delta)
    finally:
        use_transport(None)
    assert other.published == [delta]
    assert hub.outbox.take("r", "", 0) is None
