"""A run's end, or its pause, becomes the caller's result."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel

from perdure.agent import Agent
from perdure.client.outcomes import pause_of, result_of
from perdure.client.reading import Said
from perdure.context import RunContextWrapper
from perdure.contracts.tokens import Tokens
from perdure.errors import UserError
from perdure.result import RunResult
from tests.perdure.client.runs import (
    HI,
    answer,
    call,
    caller,
    entry,
    open_call,
    outcome,
    output,
    reached,
    status,
    text,
    two_turns,
    view,
)

B: Agent[Any] = Agent(name="B")
A: Agent[Any] = Agent(name="A", handoffs=[B])


def result(said: Said | None = None, agent: Agent[Any] = A, **fields: Any) -> RunResult:
    ended = outcome(said, **fields)
    return result_of(caller(agent), reached(said, **fields), ended)


def test_the_final_output_is_the_outcomes_or_the_last_messages() -> None:
    assert result(final_output="short").final_output == "short"
    assert result().final_output == "done"


def test_the_final_output_may_lie_in_an_item_that_is_no_message() -> None:
    ended = outcome(final_item={"perdure_blob": {}})
    assert result_of(caller(A), replace(reached(), answer="the tool's words"), ended).final_output == "the tool's words"


def test_the_last_agent_is_the_one_that_ended_it() -> None:
    ended = outcome(agent="B")
    assert result().last_agent is A
    assert result_of(caller(A), reached(agent="B"), ended).last_agent is B


def test_the_limit_is_the_runs_own() -> None:
    assert result(max_turns=3).max_turns == 3
    assert result(max_turns=None).max_turns is None
    assert result(max_turns=3).to_state().document["max_turns"] == 3


def test_an_input_that_was_given_as_a_text_is_a_text() -> None:
    assert result().input == "hi"
    assert result(input_is_text=False).input == [{"content": "hi", "role": "user"}]


def test_an_input_that_a_handoff_made_longer_is_a_list() -> None:
    said = Said([HI, HI], [])
    assert result(said).input == [HI.item, HI.item]


class Weather(BaseModel):
    degrees: int


def test_a_typed_output_is_of_the_last_agents_output_type() -> None:
    agent = Agent[Any](name="A", output_type=Weather)
    typed = {"final_output": '{"degrees": 3}', "final_kind": "typed"}
    assert result(agent=agent, **typed).final_output == Weather(degrees=3)
    by_name = result_of(caller(), reached(**typed), outcome(**typed))
    assert by_name.final_output == {"degrees": 3}


def test_a_list_as_output_type_comes_out_of_its_wrapper() -> None:
    typed = {"final_output": '{"response": [1, 2]}', "final_kind": "typed"}
    assert result(agent=Agent[Any](name="A", output_type=list[int]), **typed).final_output == [1, 2]


def test_an_output_that_is_not_of_the_type_any_more_says_so() -> None:
    typed = {"final_output": '{"celsius": 3}', "final_kind": "typed"}
    with pytest.raises(UserError, match="is not of the output type Weather that agent 'A' has"):
        result(agent=Agent[Any](name="A", output_type=Weather), **typed)


def test_a_tools_value_is_the_output_as_it_is() -> None:
    assert result(final_output='{"a": [1]}', final_kind="value").final_output == {"a": [1]}


def test_the_usage_is_the_runs_with_an_entry_for_each_model_call_and_failed_attempt() -> None:
    requests = [(10, 5, 2, 1), (0, 0, 0, 0), (7, 1, 0, 0, 30)]
    used = Tokens(requests=3, input=17, output=6, cached=2, reasoning=1, other=30)
    usage = result(usage=used, requests=requests).context_wrapper.usage
    assert (usage.requests, usage.input_tokens, usage.output_tokens, usage.total_tokens) == (3, 17, 6, 53)
    assert [(each.input_tokens, each.output_tokens, each.total_tokens) for each in usage.request_usage_entries] == [
        (10, 5, 15),
        (0, 0, 0),
        (7, 1, 38),
    ]
    assert usage.request_usage_entries[0].input_tokens_details.cached_tokens == 2
    assert usage.request_usage_entries[0].output_tokens_details.reasoning_tokens == 1


def test_a_run_of_one_request_has_one_entry() -> None:
    usage = result(usage=Tokens(requests=1, input=10, output=5), requests=[(10, 5, 0, 0)]).context_wrapper.usage
    assert len(usage.request_usage_entries) == 1


def test_the_callers_own_context_gets_what_tools_changed() -> None:
    context = {"sold": 0}
    one = caller(A, context=context)
    found = result_of(one, reached(context={"sold": 2}), outcome(context={"sold": 2}))
    assert found.context_wrapper.context is context
    assert context == {"sold": 2}


def test_a_run_by_name_has_its_contexts_state() -> None:
    found = result_of(caller(), reached(context={"sold": 2}), outcome())
    assert found.context_wrapper.context == {"sold": 2}


def test_the_guardrails_results_are_lists_on_the_result() -> None:
    views = [view(kind) for kind in ("input", "output", "tool_input", "tool_output")]
    found = result(guardrails=views)
    for results in (
        found.input_guardrail_results,
        found.output_guardrail_results,
        found.tool_input_guardrail_results,
        found.tool_output_guardrail_results,
    ):
        assert [each.guardrail.get_name() for each in results] == ["check"]
    assert found.output_guardrail_results[0].agent_output == "done"


def test_what_a_handoff_made_of_the_conversation_is_what_normalized_gives() -> None:
    shown = Said([entry({"content": "summary", "role": "assistant"}, "input"), entry(text("done"), turn=2)], [])
    found = result_of(caller(A), reached(shown=shown), outcome())
    assert found.to_input_list(mode="normalized") == shown.items
    assert len(found.to_input_list()) == 4


def test_without_an_edit_both_modes_are_the_same() -> None:
    assert result().to_input_list(mode="normalized") == result().to_input_list() == two_turns().items


def test_ids_of_reasoning_items_are_left_out_where_requests_leave_them_out() -> None:
    said = Said([HI, entry({"type": "reasoning", "id": "rs_1", "summary": []}), entry(text("done"))], [answer(1, 1, 2)])
    found = result(said, omits_reasoning_ids=True)
    assert found.to_input_list()[1] == {"type": "reasoning", "summary": []}
    assert result(said).to_input_list()[1]["id"] == "rs_1"


def paused() -> RunResult:
    said = Said([HI, entry(call("m1.0")), entry(call("m1.1")), entry(call("m1.2"))], [answer(1, 1, 3)])
    calls = [
        open_call("1.0"),
        open_call("1.1", "done", output=output("m1.1")),
        open_call("1.2", "running"),
        open_call("1.2/1.0", path="1.2", agent="B"),
    ]
    return pause_of(caller(A), reached(said, turns=1), status(calls=calls, max_turns=3), {"opaque": 1})


def test_a_pause_has_its_open_turn_and_what_waits() -> None:
    found = paused()
    assert found.final_output is None
    assert [item.type for item in found.new_items] == ["tool_call_item"] * 3 + [
        "tool_approval_item",
        "tool_call_output_item",
    ]
    assert [(item.id, item.agent) for item in found.interruptions] == [("1.0", A), ("1.2/1.0", B)]
    assert (found.max_turns, found.last_agent) == (3, A)


def test_a_pauses_state_holds_the_whole_run_and_what_the_run_itself_knew() -> None:
    document = paused().to_state().to_json()
    assert [waiting["id"] for waiting in document["interruptions"]] == ["1.0", "1.2/1.0"]
    assert [waiting["agent"] for waiting in document["interruptions"]] == ["A", "B"]
    assert (document["frozen"], document["turn"], document["max_turns"]) == ({"opaque": 1}, 1, 3)
    assert len(document["entries"]) == 4


def test_a_pauses_normalized_input_list_has_the_outputs_of_the_open_turn() -> None:
    shown = Said([entry({"content": "summary", "role": "assistant"}, "input"), entry(call("m1.0"))], [])
    calls = [open_call("1.0"), open_call("1.1", "done", output=output("m1.1"))]
    found = pause_of(caller(A), reached(shown=shown), status(calls=calls), None)
    assert found.to_input_list(mode="normalized") == [*shown.items, output("m1.1")]


def test_a_context_wrapper_is_given_with_every_result() -> None:
    assert isinstance(result().context_wrapper, RunContextWrapper)
