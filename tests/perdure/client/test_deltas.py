"""Deltas come in order and once, whatever way they come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from perdure.client.deltas import Deltas
from perdure.client.host import Host
from perdure.event_transport import Delta


class Said:
    """What one watcher of a run was told."""

    def __init__(self, run_id: str) -> None:
        self._host, self._run_id = Host.current(), run_id
        self.deltas = Deltas(self._host)
        self.deltas.watch(run_id)

    def hear(self, stream: str, *numbers: int, call: int = 0, attempt: int = 1) -> list[tuple[str, int]]:
        """What follows on what was told before, of these events of an attempt."""
        for number in numbers:
            self._host.events.publish(self._run_id, Delta("", 1, attempt, number or None, call, number, stream))
        told: list[tuple[str, int]] = []
        while self.deltas.next_turn is not None:
            delta = self.deltas.pop()
            told.append((delta.stream, delta.number))
        return told


@pytest.fixture
def said(request: pytest.FixtureRequest) -> Iterator[Said]:
    watching = Said(request.node.name)
    yield watching
    watching.deltas.leave()


def test_what_comes_twice_is_told_once(said: Said) -> None:
    assert said.hear("a", 0, 1, 0, 1, 2, 1) == [("a", 0), ("a", 1), ("a", 2)]


def test_who_missed_the_beginning_of_an_attempt_is_told_of_the_next_one(said: Said) -> None:
    assert said.hear("a", 3, 4) == []
    assert said.hear("b", 0, 1, attempt=2) == [("b", 0), ("b", 1)]


def test_nothing_comes_after_a_gap(said: Said) -> None:
    assert said.hear("a", 0, 1, 3, 4) == [("a", 0), ("a", 1)]


def test_a_later_attempt_is_told_from_its_beginning_and_the_one_before_no_more(said: Said) -> None:
    assert said.hear("a", 0, 1) == [("a", 0), ("a", 1)]
    assert said.hear("b", 0, 1, attempt=2) == [("b", 0), ("b", 1)]
    assert said.hear("a", 2) == []
    assert said.hear("c", 0, attempt=1) == []
    assert said.hear("d", 0, call=1) == [("d", 0)], "the model was stopped, and is asked again"


def test_an_attempt_that_another_worker_makes_anew_is_told(said: Said) -> None:
    assert said.hear("a", 0) == [("a", 0)]
    assert said.hear("b", 0, 1) == [("b", 0), ("b", 1)]
