from __future__ import annotations

import json
from typing import Any

from perdure.cli.conversation import conversation_lines, raw_lines
from perdure.client.account import Account
from perdure.client.reading import Said
from perdure.client.timing import StepTimes
from perdure.contracts.messages import CallView, StatusView
from perdure.contracts.run import PageEntry, ResponseView
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


def account(entries: list[PageEntry], shown: StatusView | None = None, **fields: Any) -> Account:
    known: dict[str, Any] = {
        "run_id": "r",
        "started_with": "A",
        "execution": "running",
        "began": "",
        "ended": "",
        "queue": "q",
        "url": None,
        "steps": [],
    }
    responses = fields.pop("responses", [])
    return Account(status=shown or status(), said=Said(entries, responses), **(known | fields))


def texts(entries: list[PageEntry], shown: StatusView | None = None) -> list[str]:
    lines = [line.text for line in conversation_lines(account(entries, shown))]
    assert {line[:10] for line in lines} <= {" " * 10}, "no times are known"
    return [line[10:] for line in lines]


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


def test_what_was_said_and_done_has_its_time_its_agent_and_its_tokens() -> None:
    def step(name: str, minute: int, **fields: Any) -> StepTimes:
        at = f"2026-01-02T23:{minute}:00.000Z"
        return StepTimes(name, "", "", at, at, at.replace("00.000", "01.500"), 1, "completed", **fields)

    late = StepTimes("model.2", "call_model", "", "", "2026-01-03T00:01:00.000Z", "2026-01-03T00:03:00.000Z", 2)
    entries = [
        entry({"role": "user", "content": "Hi"}, "input", 0),
        entry(call("x")),
        entry(output("x", "one"), "output"),
        entry({"role": "assistant", "content": "Done."}, turn=2),
    ]
    responses = [
        ResponseView(turn=turn, agent="A", first=1, count=1, usage=Tokens(input=10, output=5, cached=cached))
        for turn, cached in ((1, 0), (2, 8))
    ]
    steps = [step("model.1", 10), step("tool.1.0-abc", 11), step("model.1.0/1", 12), late]
    told = account(entries, responses=responses, steps=steps, began="2026-01-02T23:09:00.000Z")
    assert [line.text for line in conversation_lines(told)] == [
        "2026-01-02 (UTC)",
        "23:09:00  user: Hi",
        "23:10:01  turn 1: A, 10 tokens in, 5 out, 1.5 s",
        '          call 1.0: refund {"order": 7}',
        "23:11:01  output 1.0: one",
        "2026-01-03 (UTC)",
        "00:03:00  turn 2: A, 10 tokens in (8 cached), 5 out, 0:02:00, attempt 2",
        "          assistant: Done.",
    ]
