"""A run's transcript as events: each item once, in order, at a place that is the same for whoever reads it, whenever.

A place is a turn and a number in it. Of a turn whose answer has n items these are 1 to n; the outputs of its calls come
n places after the calls, that of the handoff 2n, and then the agent that took over. So a place does not depend on when
the transcript was read, or on what a handoff's filter took out of it since. `(0, 0)` is the agent that begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from perdure.agent import Agent
from perdure.client.cast import Cast
from perdure.client.items import item_of
from perdure.client.reading import Said
from perdure.contracts.run import PageEntry, ResponseView
from perdure.errors import UserError
from perdure.handoff import Handoff
from perdure.items import RunItem, ToolCallOutputItem
from perdure.stream_events import AgentUpdatedStreamEvent, RunItemStreamEvent, item_event

Place: TypeAlias = tuple[int, int]

BEGINNING: Place = (0, 0)
_OUTPUTS = ("output", "value")


@dataclass(frozen=True, slots=True)
class Placed:
    """An event at its place."""

    place: Place
    event: RunItemStreamEvent | AgentUpdatedStreamEvent

    @property
    def offset(self) -> str:
        """The place as it is told."""
        return f"{self.place[0]}.{self.place[1]}"


def place_of(offset: str) -> Place:
    """The place that an offset names.

    Raises:
        UserError: It is none.
    """
    turn, dot, number = str(offset).partition(".")
    if not (dot and turn.isdecimal() and number.isdecimal()) or len(offset) > 40:  # noqa: PLR2004  no run has so many
        raise UserError(f"{offset!r:.100} is no offset of an event; give the `offset` of one, as '2.1', or None.")
    return int(turn), int(number)


class Chronicle:
    """The events of a run, as far as its transcript was read.

    Args:
        cast: The run's agents.
        start: The key of the agent that the run was started with.
    """

    def __init__(self, cast: Cast, start: str) -> None:
        self._cast = cast
        self._start = start
        self._has_begun = False
        self._turn = 0  # the last turn that was read: only it can have grown since
        self._told: set[Place] = set()  # of that turn
        self._answer: list[dict[str, Any]] = []  # of that turn
        self._agent = start  # who was active after it, as far as it was read

    @property
    def turn(self) -> int:
        """The last turn whose answer was read."""
        return self._turn

    def begin(self) -> list[Placed]:
        """The event that the run begins with, once."""
        if self._has_begun:
            return []
        self._has_begun = True
        return [Placed(BEGINNING, AgentUpdatedStreamEvent(self._cast.agent(self._start)))]

    def take(self, said: Said) -> list[Placed]:
        """The events that were not told yet; each is told once."""
        told = self.begin()
        if not self._turn:
            told += self._new(0, self._events(said, None))
        for response in _from(said, self._turn):
            if response.turn > self._turn and response.agent != self._agent and self._turn:
                taken_over = AgentUpdatedStreamEvent(self._cast.agent(response.agent))
                told += self._new(self._turn, [(3 * len(self._answer) + 1, taken_over)])
            told += self._new(response.turn, self._events(said, response))
        return told

    def take_outputs(self, outputs: list[ToolCallOutputItem]) -> list[Placed]:
        """Outputs of the open turn, which the transcript has only once the turn is closed."""
        placed = zip(self._places([item.data for item in outputs], 1), outputs, strict=True)
        return self._new(self._turn, [(place, item) for place, item in placed if place is not None])

    def leave_out(self, outputs: list[dict[str, Any]]) -> None:
        """Takes outputs of the open turn for told."""
        self._told |= {(self._turn, place) for place in self._places(outputs, 1) if place is not None}

    def _new(self, turn: int, events: Iterable[tuple[int, RunItem | AgentUpdatedStreamEvent]]) -> list[Placed]:
        if turn > self._turn:
            self._turn, self._told = turn, set()
        new: list[Placed] = []
        for number, each in events:
            place = (turn, number)
            event = each if isinstance(each, AgentUpdatedStreamEvent) else item_event(each)
            if event is not None and place not in self._told:
                self._told.add(place)
                new.append(Placed(place, event))
        return new

    def _events(
        self, said: Said, response: ResponseView | None
    ) -> Iterator[tuple[int, RunItem | AgentUpdatedStreamEvent]]:
        """What a turn brought, each with its number; what there is before the first answer."""
        turn = 0 if response is None else response.turn
        self._answer = answer = [] if response is None else said.answer(response)
        self._agent = self._start if response is None else response.agent
        entries = _of_turn(said, turn)
        outputs = [entry for entry in entries if entry.kind in _OUTPUTS]
        handed = [entry for entry in entries if entry.kind == "handed_off"]
        transfers = _transfers(self._cast.agent(self._agent))
        for number, item in enumerate(answer, 1):
            yield number, item_of(self._cast, _entry(item, response, entries, transfers))
        if said.settled_turns is not None and turn > said.settled_turns:
            return  # a handoff's filter may yet take the outputs out
        for place, entry in zip(self._places([entry.item for entry in outputs], 1), outputs, strict=True):
            if place is not None:
                yield place, item_of(self._cast, entry)
        for place, entry in zip(self._places([entry.item for entry in handed], 2), handed, strict=True):
            if place is not None:
                yield place, item_of(self._cast, entry)
                self._agent = entry.target or entry.agent
                yield 3 * len(answer) + 1, AgentUpdatedStreamEvent(self._cast.agent(self._agent))
        for number, entry in enumerate(_beyond(answer, entries), 3 * len(answer) + 2):
            yield number, item_of(self._cast, entry)

    def _places(self, outputs: list[dict[str, Any]], rounds: int) -> Iterator[int | None]:
        """The places of outputs: those of their calls, a round of the answer's length later, or two."""
        answer = self._answer
        free = [(item.get("call_id"), number) for number, item in enumerate(answer, 1) if item.get("call_id")]
        for output in outputs:
            found = next((each for each in free if each[0] == output.get("call_id")), None)
            if found is not None:
                free.remove(found)
            yield None if found is None else found[1] + rounds * len(answer)


def _from(said: Said, turn: int) -> Iterator[ResponseView]:
    """The answers from a turn on, found from the end."""
    first = len(said.responses)
    while first and said.responses[first - 1].turn >= turn:
        first -= 1
    yield from said.responses[first:]


def _of_turn(said: Said, turn: int) -> list[PageEntry]:
    """A turn's items, found from the end."""
    found: list[PageEntry] = []
    for entry in reversed(said.entries):
        if entry.kind == "input":
            continue
        if entry.turn < turn:
            break
        if entry.turn == turn:
            found.append(entry)
    return found[::-1]


def _transfers(agent: Agent[Any]) -> set[str]:
    """The tools of an agent's handoffs, where this process has the agent itself."""
    names = (
        each.tool_name if isinstance(each, Handoff) else Handoff.default_tool_name(each) for each in agent.handoffs
    )
    return set(names)


def _entry(
    item: dict[str, Any], response: ResponseView | None, entries: list[PageEntry], transfers: set[str]
) -> PageEntry:
    """An answer's item with who said it, also where a filter took it out of the transcript."""
    agent, turn = ("", 0) if response is None else (response.agent, response.turn)
    known = next((each for each in entries if each.kind in ("answer", "handoff") and each.item == item), None)
    if known is not None:
        return known
    handed = [each.item.get("call_id") for each in entries if each.kind == "handed_off"]
    is_call = item.get("call_id") is not None
    is_handoff = is_call and (item["call_id"] in handed or item.get("name") in transfers)
    return PageEntry(item=item, kind="handoff" if is_handoff else "answer", agent=agent, turn=turn)


def _beyond(answer: list[dict[str, Any]], entries: list[PageEntry]) -> list[PageEntry]:
    """What was said in a turn beyond the model's answer: words of an error handler, or of a model that was stopped."""
    left = list(answer)
    found: list[PageEntry] = []
    for entry in entries:
        if entry.item in left:
            left.remove(entry.item)
        elif entry.kind in ("answer", "interrupted"):
            found.append(entry)
    return found
