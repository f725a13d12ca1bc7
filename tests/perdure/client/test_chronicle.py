"""A run's events are the same for whoever reads its transcript, whenever, and each is told once."""

from __future__ import annotations

import pytest

from perdure.agent import Agent
from perdure.client.cast import Cast
from perdure.client.chronicle import Chronicle, Placed, place_of
from perdure.client.reading import Said
from perdure.errors import UserError
from perdure.items import ToolCallOutputItem
from tests.perdure.client.runs import HI, answer, call, entry, output, text, two_turns


def chronicle() -> Chronicle:
    return Chronicle(Cast(Agent(name="A")), "A")


def told(events: list[Placed]) -> list[tuple[str, str]]:
    return [(each.offset, getattr(each.event, "name", "agent")) for each in events]


TWO_TURNS = [
    ("0.0", "agent"),
    ("1.1", "tool_called"),
    ("1.2", "tool_output"),
    ("2.1", "message_output_created"),
]


def handed_over(*, filtered: bool = False) -> Said:
    """A tool and a handoff in one turn; a filter may have left nothing of that turn."""
    items = [call("c1", "look"), call("c2", "transfer_to_b")]
    outputs = [entry(output("c1"), "output"), entry(output("c2"), "handed_off", target="B")]
    said = [entry(items[0]), entry(items[1], "handoff"), *outputs]
    last = entry(text("I am B"), turn=2, agent="B")
    first = answer(1, 1, 2, items=items) if filtered else answer(1, 1, 2)
    entries = [HI, *([] if filtered else said), last]
    return Said(entries, [first, answer(2, len(entries) - 1, agent="B")])


def test_a_transcript_is_told_in_its_order() -> None:
    assert told(chronicle().take(two_turns())) == TWO_TURNS


def test_what_was_told_is_not_told_again() -> None:
    once = chronicle()
    once.take(two_turns())
    assert once.take(two_turns()) == []


@pytest.mark.parametrize("read", range(5))
def test_a_transcript_that_is_read_piece_by_piece_is_told_the_same(read: int) -> None:
    whole, pieces = two_turns(), chronicle()
    so_far = Said(whole.entries[:read], [each for each in whole.responses if each.first < read])
    assert told(pieces.take(so_far)) + told(pieces.take(whole)) == TWO_TURNS


def test_an_agent_that_takes_over_is_told_after_the_handoff() -> None:
    assert told(chronicle().take(handed_over())) == [
        ("0.0", "agent"),
        ("1.1", "tool_called"),
        ("1.2", "handoff_requested"),
        ("1.3", "tool_output"),
        ("1.6", "handoff_occured"),
        ("1.7", "agent"),
        ("2.1", "message_output_created"),
    ]


def test_what_a_filter_took_out_leaves_the_places_of_the_rest() -> None:
    late = told(chronicle().take(handed_over(filtered=True)))
    assert [place for place, _ in late] == ["0.0", "1.1", "1.2", "1.7", "2.1"]


def test_a_handoff_that_a_filter_took_out_is_told_as_one_where_the_agent_is_known() -> None:
    known = Chronicle(Cast(Agent(name="A", handoffs=[Agent(name="b")])), "A")
    assert ("1.2", "handoff_requested") in told(known.take(handed_over(filtered=True)))


def test_what_a_filter_may_yet_take_out_is_not_told() -> None:
    whole, early = handed_over(), chronicle()
    opened = Said(whole.entries[:5], whole.responses[:1], settled_turns=0)
    assert [place for place, _ in told(early.take(opened))] == ["0.0", "1.1", "1.2"]
    assert [place for place, _ in told(early.take(handed_over(filtered=True)))] == ["1.7", "2.1"]


def test_an_output_of_an_open_turn_is_told_once() -> None:
    waiting = Said([HI, entry(call("c1")), entry(call("c2"))], [answer(1, 1, 2)])
    first = chronicle()
    first.take(waiting)
    [placed] = first.take_outputs([ToolCallOutputItem(Agent(name="A"), output("c2"), "paid")])
    assert placed.offset == "1.4"
    outputs = [entry(output("c1"), "output"), entry(output("c2"), "output")]
    closed = Said([*waiting.entries, *outputs], waiting.responses)
    assert told(first.take(closed)) == [("1.3", "tool_output")]


def test_a_handler_s_words_follow_the_turn() -> None:
    said = Said([HI, entry(call("c1")), entry(output("c1"), "output"), entry(text("enough"))], [answer(1, 1)])
    assert told(chronicle().take(said))[-1] == ("1.5", "message_output_created")


def test_a_handler_s_words_before_any_turn_are_told() -> None:
    said = Said([HI, entry(text("enough"), turn=0)], [])
    assert told(chronicle().take(said)) == [("0.0", "agent"), ("0.2", "message_output_created")]


@pytest.mark.parametrize("offset", ["", "2", "2.", ".1", "x.1", "-1.1", "1.1.1", "²." + "1", "9" * 50 + ".1"])
def test_what_is_no_offset_is_refused(offset: str) -> None:
    with pytest.raises(UserError, match="no offset of an event"):
        place_of(offset)
