"""What a model's answer amounts to."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.loop.answer import call_digest
from perdure.loop.plan import plan
from perdure.loop.state import Failure
from perdure.loop.steps import Finish
from tests.loop.runs import (
    answer,
    call,
    call_steps,
    failure,
    message,
    names,
    open_run,
    outputs,
    refusal,
    run_tool,
    said,
    tool,
)

REASONING = {"type": "reasoning", "id": "rs_1", "summary": []}
REFERENCE = {"sha256": "ab" * 32, "size": 100_000, "head": '"Once upon'}


def test_the_last_messages_text_is_the_final_output() -> None:
    state = open_run()
    answer(state, message("first"), message("sec", "ond"))
    assert (plan(state), state.final_output) == ([Finish()], "second")


@pytest.mark.parametrize("items", [[], [REASONING]])
def test_an_answer_without_a_word_is_an_empty_final_output(items: list[dict[str, Any]]) -> None:
    state = open_run()
    answer(state, *items)
    assert (plan(state), state.final_output) == ([Finish()], "")


def test_a_refusal_is_an_error() -> None:
    state = open_run()
    answer(state, refusal("I will not"))
    assert failure(state) == Failure("ModelRefusalError", "I will not")


def test_a_refusal_beside_a_call_is_not_final() -> None:
    state = open_run()
    answer(state, refusal("I will not"), call())
    assert names(state) == ["tool.1.0"]


def test_a_message_beside_a_call_is_not_final() -> None:
    state = open_run()
    answer(state, message("let me see"), call())
    assert (names(state), state.final_output) == (["tool.1.0"], None)


@pytest.mark.parametrize(
    "kind", ["web_search_call", "mcp_call", "code_interpreter_call", "mcp_approval_request", "tool_search_output"]
)
def test_what_the_provider_ran_without_a_message_leads_to_the_next_turn(kind: str) -> None:
    state = open_run()
    answer(state, {"type": kind, "id": "x"})
    assert names(state) == ["model.2"]


@pytest.mark.parametrize("kind", ["mcp_list_tools", "compaction"])
def test_what_the_provider_only_noted_is_an_empty_final_output(kind: str) -> None:
    state = open_run()
    answer(state, {"type": kind, "id": "x"})
    assert (names(state), state.final_output) == (["finish"], "")


def test_what_the_provider_ran_beside_a_message_is_final() -> None:
    state = open_run()
    answer(state, {"type": "web_search_call", "id": "ws_1"}, message("found"))
    assert state.final_output == "found"


def test_a_last_message_in_the_blob_store_is_final_with_its_text_elsewhere() -> None:
    state = open_run()
    answer(state, {"type": "message", "role": "assistant", "perdure_blob": REFERENCE})
    assert (plan(state), state.final_output) == ([Finish()], None)


def test_an_unknown_tool_fails_the_run_and_leaves_no_trace_in_the_transcript() -> None:
    state = open_run()
    answer(state, message("hm"), call("look"), call("fly", id="c2"))
    assert failure(state) == Failure("ModelBehaviorError", "Tool fly not found in agent Support")
    assert (len(said(state)), state.calls, state.responses, state.turn) == (1, [], [], 0)


def test_a_tool_that_was_switched_off_is_unknown() -> None:
    state = open_run()
    answer(state, call("look"), disabled=frozenset({"look"}))
    assert failure(state).message == "Tool look not found in agent Support"


def test_a_tool_that_the_provider_runs_cannot_be_called_here() -> None:
    state = open_run(tool("web_search", hosted=True))
    answer(state, call("web_search"))
    assert failure(state).type == "ModelBehaviorError"


@pytest.mark.parametrize("kind", ["computer_call", "local_shell_call", "shell_call", "apply_patch_call"])
def test_a_call_of_a_local_kind_fails_the_run(kind: str) -> None:
    state = open_run()
    answer(state, {"type": kind, "call_id": "c1"})
    assert failure(state) == Failure("ModelBehaviorError", f"Model made a {kind} but agent Support has no tool for it")


@pytest.mark.parametrize("missing", ["name", "call_id", "arguments"])
@pytest.mark.parametrize("value", [None, 5, {"a": 1}])
def test_a_call_without_name_id_or_arguments_fails_the_run(missing: str, value: Any) -> None:
    state = open_run()
    answer(state, {**call(), missing: value})
    assert failure(state).message.startswith("Model made a function call without a name, call id or arguments")


@pytest.mark.parametrize("missing", ["name", "call_id", "arguments"])
def test_a_call_that_lacks_a_field_fails_the_run(missing: str) -> None:
    state = open_run()
    answer(state, {name: value for name, value in call().items() if name != missing})
    assert failure(state).type == "ModelBehaviorError"


def test_a_call_whose_arguments_lie_in_the_blob_store_is_a_call() -> None:
    state = open_run()
    answer(state, {"type": "function_call", "name": "look", "call_id": "c1", "perdure_blob": REFERENCE})
    assert (call_steps(state), state.calls[0].arguments) == (["1.0"], "")


def test_a_blob_that_is_none_makes_no_reference() -> None:
    state = open_run()
    answer(state, {**call(), "perdure_blob": 5})
    assert (call_steps(state), state.calls[0].digest) == (["1.0"], call_digest(call()))


@pytest.mark.parametrize("content", [None, 5, "text", ["text"], {"a": 1}, [{"type": "output_text"}], [None]])
def test_content_of_no_known_shape_is_read_as_far_as_it_is_text(content: Any) -> None:
    state = open_run()
    answer(state, {"type": "message", "role": "assistant", "content": content})
    assert (names(state), state.final_output) == (["finish"], "text" if content == "text" else "")


def test_the_same_call_again_is_not_made_again() -> None:
    state = open_run()
    answer(state, call())
    run_tool(state, "1.0")
    before = len(said(state))
    answer(state, call())
    assert (names(state), state.calls, len(said(state))) == (["model.3"], [], before)


def test_the_same_call_twice_in_one_answer_is_made_once() -> None:
    state = open_run()
    answer(state, call(), call())
    assert call_steps(state) == ["1.0"]
    assert [item.get("type") for item in said(state)] == [None, "function_call"]


@pytest.mark.parametrize("other", [call(arguments='{"a": 1}'), call("pay")])
def test_a_repeated_id_with_another_call_is_another_call(other: dict[str, Any]) -> None:
    state = open_run()
    answer(state, call())
    run_tool(state, "1.0", "one")
    answer(state, other)
    assert [open_call.id for open_call in state.calls] == ["2.0"]
    assert state.call_ids == {"c1": ["1.0", "2.0"]}


def test_two_calls_with_one_id_are_both_answered() -> None:
    state = open_run()
    answer(state, call(arguments='{"n": 1}'), call(arguments='{"n": 2}'))
    run_tool(state, "1.1", "two")
    run_tool(state, "1.0", "one")
    assert outputs(state) == [("c1", "one"), ("c1", "two")]


def test_a_new_call_beside_a_repeated_one_is_made() -> None:
    state = open_run()
    answer(state, call())
    run_tool(state, "1.0")
    answer(state, call(), call(id="c2"))
    assert [(one.id, one.model_call_id) for one in state.calls] == [("2.0", "c2")]


def test_a_thousand_calls_are_followed_and_one_more_is_not() -> None:
    state = open_run()
    answer(state, *(call(id=f"c{n}") for n in range(1000)))
    assert len(state.calls) == 1000
    state = open_run()
    answer(state, *(call(id=f"c{n}") for n in range(1001)))
    assert failure(state).message == "Model made 1001 calls in one answer; at most 1000 are run"


def test_a_calls_digest_names_tool_and_arguments_and_nothing_else() -> None:
    digest = call_digest(call("look", '{"a": 1}', "c1"))
    assert digest == call_digest(call("look", '{"a": 1}', "c2"))
    assert digest != call_digest(call("look", '{"a": 2}', "c1"))
    assert digest != call_digest(call("pay", '{"a": 1}', "c1"))


def test_an_answer_keeps_its_order_in_the_transcript() -> None:
    state = open_run()
    answer(state, REASONING, call(id="c1"), message("wait"), call(id="c2"))
    assert [item["type"] for item in said(state)[1:]] == ["reasoning", "function_call", "message", "function_call"]
    assert {entry.kind for entry in state.transcript.entries[1:]} == {"answer"}
