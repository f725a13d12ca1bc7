"""What a run gives back."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.context import RunContextWrapper
from perdure.items import HandoffOutputItem, RunItem, ToolApprovalItem, ToolCallOutputItem, run_item
from perdure.model import ModelResponse
from perdure.result import ResultSource, RunResult
from perdure.usage import Usage

AGENT: Agent[Any] = Agent(name="Support")
CALL = {"type": "function_call", "call_id": "c1", "name": "pay", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c1", "output": "paid"}


def result(input: Any = "hi", items: list[RunItem] | None = None, **fields: Any) -> RunResult:
    return RunResult(
        input=input,
        new_items=items or [],
        raw_responses=fields.pop("raw_responses", []),
        last_agent=AGENT,
        context_wrapper=RunContextWrapper(None),
        **fields,
    )


def test_the_input_list_is_the_input_and_what_was_said() -> None:
    items: list[RunItem] = [run_item(AGENT, CALL), ToolCallOutputItem(AGENT, OUTPUT, "paid")]
    assert result("hi", items).to_input_list() == [{"content": "hi", "role": "user"}, CALL, OUTPUT]


def test_a_call_that_waits_is_in_the_input_list_and_its_approval_is_not() -> None:
    items: list[RunItem] = [run_item(AGENT, CALL), ToolApprovalItem(AGENT, CALL, id="1.0", digest="abc")]
    assert result([{"role": "user", "content": "hi"}], items).to_input_list()[1:] == [CALL]


def test_both_modes_of_the_input_list_are_the_same_where_nothing_was_rewritten() -> None:
    outcome = result("hi", [run_item(AGENT, CALL)])
    assert outcome.to_input_list(mode="normalized") == outcome.to_input_list(mode="preserve_all")


def test_an_unknown_mode_of_the_input_list_is_refused() -> None:
    mode: Any = "bogus"
    with pytest.raises(ValueError, match="Unsupported to_input_list mode: bogus"):
        result().to_input_list(mode=mode)


def test_the_input_list_may_be_changed() -> None:
    given = [{"role": "user", "content": "hi"}]
    outcome = result(given)
    listed = outcome.to_input_list()
    listed[0]["content"] = "changed"
    listed.append(OUTPUT)
    assert outcome.to_input_list() == [{"role": "user", "content": "hi"}]


def test_the_final_output_is_handed_over_as_any_type_unless_it_is_checked() -> None:
    outcome = result(final_output="5")
    assert outcome.final_output_as(int) == "5"
    assert outcome.final_output_as(str, raise_if_incorrect_type=True) == "5"


def test_a_checked_final_output_of_another_type_is_an_error() -> None:
    with pytest.raises(TypeError, match="Final output is a str, not a int"):
        result(final_output="5").final_output_as(int, raise_if_incorrect_type=True)


def test_the_last_response_id_is_that_of_the_last_answer() -> None:
    answers = [ModelResponse([], Usage(), "resp_1"), ModelResponse([], Usage(), "resp_2")]
    assert result(raw_responses=answers).last_response_id == "resp_2"
    assert result().last_response_id is None


def test_a_result_says_in_words_what_came_out() -> None:
    said = str(result(final_output="done", items=[run_item(AGENT, CALL)], run_id="run-1"))
    assert said.splitlines()[:2] == ["RunResult of agent 'Support'", "  final output (str): done"]
    assert "new items: 1, answers of models: 0" in said


def test_a_result_that_waits_says_for_what() -> None:
    said = str(result(interruptions=[ToolApprovalItem(AGENT, CALL, id="1.0", digest="abc")]))
    assert "waits for a decision about 1.0 (pay)" in said


def test_released_agents_leave_their_names() -> None:
    live, other = Agent[Any](name="Live"), Agent[Any](name="Other")
    item = HandoffOutputItem(live, OUTPUT, live, other)
    waiting = ToolApprovalItem(live, CALL, id="1.0", digest="abc")
    outcome = result(items=[item], interruptions=[waiting])
    outcome.last_agent = live
    outcome.release_agents()
    assert (item.agent.name, item.source_agent.name, item.target_agent.name) == ("Live", "Live", "Other")
    assert all(each is not live for each in (item.agent, item.source_agent, waiting.agent, outcome.last_agent))
    assert other is not item.target_agent
    assert outcome.last_agent.name == "Live"


def test_released_agents_may_stay_with_their_items() -> None:
    outcome = result(items=[run_item(AGENT, CALL)])
    outcome.release_agents(release_new_items=False)
    assert outcome.new_items[0].agent is AGENT
    assert outcome.last_agent is not AGENT


def test_a_result_is_of_no_agents_tool_call() -> None:
    assert result().agent_tool_invocation is None


def test_what_the_model_got_is_the_normalized_input_list() -> None:
    outcome = result(items=[run_item(AGENT, CALL)], source=ResultSource(model_input=[OUTPUT]))
    assert outcome.to_input_list(mode="normalized") == [OUTPUT]
    assert outcome.to_input_list()[1:] == [CALL]


def test_what_nested_history_keeps_in_the_input_is_not_said_again() -> None:
    said = [run_item(AGENT, CALL), run_item(AGENT, CALL)]
    assert result(items=said, source=ResultSource(nested=[CALL])).to_input_list()[1:] == [CALL]


def test_a_state_names_the_run_and_its_interruptions() -> None:
    waiting = ToolApprovalItem(AGENT, CALL, id="1.0", digest="abc")
    state = result(interruptions=[waiting], run_id="run-1").to_state()
    assert (state.run_id, state.get_interruptions(), state.drafts) == ("run-1", [waiting], {})
