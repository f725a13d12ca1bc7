"""`perdure chat` and `perdure threads`: a person speaks, decides and comes back, by lines of standard input."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Shop

WAITS = 'refund {"order_id": "7"} waits.'


@pytest.mark.thorough
def test_a_person_speaks_with_an_agent_of_a_module_and_what_was_said_stays(shop: Shop) -> None:
    found = shop.perdure("chat", "shop:packer", "--thread", "packing", given="Order 7\n")
    said = ['call: pack {"order_id": "7"}', "output: packed 7", "Packed."]
    assert (found.code, found.out.splitlines()) == (0, said), found.err
    assert "a new one" in found.err
    shown = [line[10:] for line in shop.perdure("show", "thread/packing").out.splitlines()]  # without the times
    assert [line for line in shown if line.startswith(("user", "assistant"))] == ["user: Order 7", "assistant: Packed."]
    why = shop.perdure("why", "thread/packing", "--json").json
    assert (why["waits_for"], why["commands"]) == ("message", ["perdure chat AGENT --thread packing"])


def test_a_call_that_waits_is_asked_about_also_when_the_person_left_and_comes_back(served: Shop) -> None:
    left = served.perdure("chat", "Support", "--thread", "left", given="Order 7\n")
    assert (left.code, left.out.splitlines()) == (0, [WAITS])
    back = served.perdure("chat", "Support", "--thread", "left", "--by", "ana", given="y\n")
    assert (back.code, back.out.splitlines()) == (0, [WAITS, "All done."]), back.err
    assert "1 messages so far" in back.err
    assert "approved by ana" in served.perdure("show", "thread/left").out
    [listed] = [each for each in served.perdure("threads", "--json").json if each["thread"] == "left"]
    assert (listed["run_id"], listed["status"], listed["agent"]) == ("thread/left", "open", "Support")


def test_any_other_word_rejects_with_that_reason_and_programs_get_a_document_a_line(served: Shop) -> None:
    given = "Order 7\nbroken by hand\n"
    lines = served.perdure("chat", "Support", "--thread", "no", "--json", given=given).out.splitlines()
    waits, ended = map(json.loads, lines)
    assert (waits["waits"]["tool"], ended) == ("refund", {"thread": "no", "final_output": "All done."})
    assert "output 1.0: broken by hand" in served.perdure("show", "thread/no").out


def test_a_message_that_fails_is_shown_and_the_chat_goes_on(served: Shop) -> None:
    found = served.perdure("chat", "Broken", "--thread", "broken", given="hi\nagain\n")
    assert found.code == 0
    assert "the model is [red]ill[/red]" in found.err
    assert found.err.count("error: ") == 2
