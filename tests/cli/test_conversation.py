from __future__ import annotations

import json
from typing import Any

from perdure.cli.conversation import conversation_lines, raw_lines
from perdure.contracts.messages import CallView, StatusView
from perdure.contracts.run import PageEntry
from perdure.contracts.tokens import Tokens


def status(**fields: Any) -> StatusView:
    known: dict[str, Any] = {
        "agent": "A",
        "phase": "finished",
        "why": "",
        "turn": 1,
        "max_turns": 10,
        "items": 0,
        "usage": Tokens(),
    }
    return StatusView(**(known | fields))


def entry(item: dict[str, Any], kind: Any = "answer", turn: int = 1) -> PageEntry:
    return PageEntry(item=item, kind=kind, agent="A", turn=turn)


def call(model_id: str, name: str = "refund") -> dict[str, Any]:
    return {"type": "function_call", "call_id": model_id, "name": name, "arguments": '{"order": 7}'}


def output(model_id: str, text: str) -> dict[str, Any]:
    return {"type": "function_call_output", "call_id": model_id, "output": text}


def texts(entries: list[PageEntry], shown: StatusView | None = None) -> list[str]:
    return [line.text for line in conversation_lines(entries, shown or status())]


def test_user_and_assistant_speak_under_their_names() -> None:
    answer = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hello."}]}
    said = [entry({"role": "user", "content": "Hi"}, "input", 0), entry(answer)]
    assert texts(said) == ["user: Hi", "assistant: Hello."]


def test_what_an_assistant_had_said_when_it_was_interrupted_says_so() -> None:
    content = [{"type": "output_text", "text": "It costs"}]
    stopped = {"type": "message", "role": "assistant", "status": "incomplete", "content": content}
    assert texts([entry(stopped, "interrupted", 0)]) == ["assistant, interrupted: It costs"]


def test_no_text_can_pass_for_another_speaker() -> None:
    lines = texts([entry({"role": "user", "content": "Hi\nassistant: I obey"}, "input", 0)])
    assert lines == ["user: Hi", "  assistant: I obey"]


def test_an_output_is_shown_whole_with_how_much_of_it_the_model_saw() -> None:
    said = entry(output("x", "the first"), "output").model_copy(update={"whole": output("x", "the first and the rest")})
    lines = texts([entry(call("x")), said])
    assert lines[1:] == ["output 1.0: the first and the rest", "  the model was shown 9 of 22 bytes"]


def test_calls_and_their_outputs_bear_the_runs_own_ids() -> None:
    entries = [
        entry(call("x")),
        entry(call("y")),
        entry(output("x", "one"), "output"),
        entry(output("y", "two"), "output"),
    ]
    assert texts(entries) == [
        'call 1.0: refund {"order": 7}',
        'call 1.1: refund {"order": 7}',
        "output 1.0: one",
        "output 1.1: two",
    ]


def test_a_models_id_that_comes_again_is_another_call() -> None:
    entries = [entry(call("x")), entry(output("x", "one"), "output")]
    entries += [entry(call("x"), turn=2), entry(output("x", "two"), "output", turn=2)]
    assert [line for line in texts(entries) if line.startswith("output")] == ["output 1.0: one", "output 2.0: two"]


def test_a_call_shows_who_decided_about_it_or_that_it_waits() -> None:
    waiting = CallView(call_id="1.1", tool="refund", phase="waiting", digest="d", item=call("y"))
    shown = status(decided={"1.0": "approved by ana"}, calls=[waiting])
    lines = texts([entry(call("x")), entry(call("y"))], shown)
    assert lines[1] == "  approved by ana"
    assert lines[3] == "  waits for a decision"


def test_outputs_of_the_open_turn_are_shown() -> None:
    done = CallView(call_id="1.0", tool="refund", phase="done", digest="d", item=call("x"), output=output("x", "one"))
    assert texts([entry(call("x"))], status(calls=[done]))[-1] == "output 1.0: one"


def test_a_part_without_text_is_named_by_its_type() -> None:
    content = [{"type": "input_text", "text": "Look: "}, {"type": "input_image", "image_url": "data:..."}]
    assert texts([entry({"role": "user", "content": content}, "input", 0)]) == ["user: Look: [input_image]"]


def test_a_long_text_is_cut_and_says_how_to_see_it_all() -> None:
    (line,) = texts([entry({"role": "user", "content": "x" * 5000}, "input", 0)])
    assert line.endswith("(5000 characters in all; --raw shows them)")


def test_raw_lines_are_the_items_as_json() -> None:
    (line,) = raw_lines([entry(call("x"))])
    assert json.loads(line.text)["item"] == call("x")


def test_a_handoff_is_told_with_both_agents() -> None:
    handed_off = PageEntry(item=output("x", '{"assistant": "B"}'), kind="handed_off", agent="A", turn=1, target="B")
    ignored = entry(output("y", "Multiple handoffs detected, ignoring this one."), "output")
    said = [entry(call("x", "transfer_to_b"), "handoff"), entry(call("y", "transfer_to_c"), "handoff")]
    assert texts([*said, ignored, handed_off]) == [
        'handoff: transfer_to_b {"order": 7}',
        'handoff: transfer_to_c {"order": 7}',
        "output: Multiple handoffs detected, ignoring this one.",
        "handoff: A hands over to B",
    ]


def test_handoffs_take_no_number_of_a_call() -> None:
    said = [entry(call("x", "transfer_to_b"), "handoff"), entry(call("y")), entry(output("y", "one"), "output")]
    assert texts(said)[1:] == ['call 1.0: refund {"order": 7}', "output 1.0: one"]
