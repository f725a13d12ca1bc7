"""The open turn: each call goes its own way, the model waits for all."""

from __future__ import annotations

import pytest

from perdure.definition import ToolDefinition
from perdure.loop.absorb import absorb
from perdure.loop.plan import plan
from perdure.loop.state import Failure, LoopState
from perdure.loop.steps import (
    CallJudged,
    CallTool,
    JudgeCall,
    OutcomeUnknown,
    Start,
    StepDeclined,
    StepFailed,
    Wait,
    WaitedTooLong,
)
from tests.loop.runs import (
    answer,
    approve,
    call,
    call_steps,
    end,
    failure,
    judged_calls,
    message,
    names,
    open_run,
    outputs,
    returned,
    run_tool,
    start_all,
    steps,
    tool,
)


def with_calls(*calls: str, tools: tuple[ToolDefinition, ...] = ()) -> LoopState:
    """A run whose first answer calls these tools."""
    state = open_run(*tools)
    answer(state, *(call(name, id=f"c{position}") for position, name in enumerate(calls)))
    return state


def decline(state: LoopState, times: int) -> None:
    for _ in range(times):
        start_all(state)
        end(state, "1.0", StepDeclined("another definition"))


def test_all_calls_of_an_answer_may_start_at_once() -> None:
    assert call_steps(with_calls("look", "look", "look")) == ["1.0", "1.1", "1.2"]


def test_outputs_enter_in_call_order_whatever_the_completion_order() -> None:
    state = with_calls("look", "look", "look")
    for call_id, text in (("1.2", "third"), ("1.0", "first"), ("1.1", "second")):
        run_tool(state, call_id, text)
    assert outputs(state) == [("c0", "first"), ("c1", "second"), ("c2", "third")]


def test_no_output_enters_before_all_are_there() -> None:
    state = with_calls("look", "look")
    run_tool(state, "1.1")
    assert outputs(state) == []


def test_an_output_that_is_a_values_json_is_told_from_text() -> None:
    state = with_calls("look", "look")
    run_tool(state, "1.0", '{"a":1}', is_value=True)
    run_tool(state, "1.1", '{"a":1}')
    assert [entry.kind for entry in state.transcript.entries[-2:]] == ["value", "output"]


def test_a_call_that_needs_approval_waits_and_its_siblings_run() -> None:
    state = with_calls("look", "pay", "look")
    assert plan(state) == [
        Start(CallTool("tool.1.0", "1.0")),
        Wait("approval.1.1", "1.1", 60.0),
        Start(CallTool("tool.1.2", "1.2")),
    ]


def test_a_wait_is_named_as_long_as_it_lasts() -> None:
    state = with_calls("pay", "look")
    assert names(state) == ["approval.1.0", "tool.1.1"]
    run_tool(state, "1.1")
    assert names(state) == ["approval.1.0"]


def test_a_rule_is_asked_before_a_call_runs() -> None:
    assert plan(with_calls("book")) == [Start(JudgeCall("judge.1.0", "1.0"))]


@pytest.mark.parametrize(("needs", "then"), [(False, ["tool.1.0"]), (True, ["approval.1.0"])])
def test_what_the_rule_says_decides_whether_a_call_waits(needs: bool, then: list[str]) -> None:
    state = with_calls("book")
    start_all(state)
    end(state, "1.0", CallJudged(needs))
    assert names(state) == then


def test_a_wait_begins_when_the_rule_asked_for_it() -> None:
    state = with_calls("book")
    start_all(state)
    absorb(state, "judge.1.0", "1.0", CallJudged(True), 77.0)
    assert state.calls[0].since == 77.0


def test_a_rule_that_fails_ends_the_run() -> None:
    state = with_calls("book")
    start_all(state)
    end(state, "1.0", StepFailed(Failure("UserError", "rule broke")))
    assert failure(state).message == "rule broke"


def test_a_declined_call_is_offered_again_with_growing_delay() -> None:
    state = with_calls("look")
    delays: list[float] = []
    for _ in range(8):
        (step,) = steps(state)
        assert isinstance(step, CallTool)
        delays.append(step.delay_seconds)
        decline(state, 1)
    assert delays == [0.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_each_offer_of_a_declined_call_is_a_step_of_its_own() -> None:
    state = with_calls("look")
    decline(state, 2)
    assert names(state) == ["tool.1.0~2"]


def test_a_call_may_be_declined_for_days() -> None:
    state = with_calls("look")
    decline(state, 2000)
    assert steps(state) == [CallTool("tool.1.0~2000", "1.0", 60.0)]


def test_why_a_call_was_declined_is_told_once() -> None:
    state = with_calls("look")
    decline(state, 30)
    assert state.warnings == ["Call 1.0 waits for a worker: another definition"]


def test_a_declined_call_runs_when_a_worker_takes_it() -> None:
    state = with_calls("look")
    decline(state, 3)
    run_tool(state, "1.0", "done")
    assert (outputs(state), names(state)) == ([("c0", "done")], ["model.2"])


def test_an_unknown_outcome_is_told_to_the_model_and_listed_and_not_repeated() -> None:
    state = with_calls("pay")
    approve(state, "1.0")
    start_all(state)
    end(state, "1.0", OutcomeUnknown())
    assert state.unknown_outcomes == ["1.0"]
    ((call_id, text),) = outputs(state)
    assert call_id == "c0"
    assert text.startswith("The outcome of this call is unknown")
    assert names(state) == ["model.2"]


def test_at_most_100_calls_are_in_flight() -> None:
    state = with_calls(*["look"] * 250)
    assert call_steps(state) == [f"1.{position}" for position in range(100)]
    start_all(state)
    assert names(state) == []
    end(state, "1.7", returned(state, "1.7"))
    assert call_steps(state) == ["1.100"]


def test_rules_count_among_what_is_in_flight() -> None:
    state = with_calls(*["book"] * 90, *["look"] * 20)
    assert (len(judged_calls(state)), len(call_steps(state))) == (90, 10)


def test_calls_that_wait_take_no_place_among_those_in_flight() -> None:
    state = with_calls(*["pay"] * 150, "look")
    assert len(names(state)) == 151


def test_context_changes_are_merged_in_call_order_with_a_warning() -> None:
    state = with_calls("look", "look", tools=(tool("look", takes_context=True),))
    state.context = {"seen": 0, "kept": True}
    run_tool(state, "1.1", context_changes={"seen": "later"})
    run_tool(state, "1.0", context_changes={"seen": "earlier", "new": 1})
    assert state.context == {"seen": "later", "kept": True, "new": 1}
    assert state.warnings == ["Calls 1.0 and 1.1 both changed context.seen; the later one holds."]


def test_changes_of_different_fields_are_no_reason_to_warn() -> None:
    state = with_calls("look", "look")
    run_tool(state, "1.0", context_changes={"a": 1})
    run_tool(state, "1.1", context_changes={"b": 2})
    assert (state.context, state.warnings) == ({"a": 1, "b": 2}, [])


def test_the_context_that_a_call_was_given_is_not_changed_by_a_merge() -> None:
    state = with_calls("look")
    state.context = given = {"a": 1}
    run_tool(state, "1.0", context_changes={"a": 2})
    assert given == {"a": 1}


def test_no_context_changes_are_seen_before_the_turn_ends() -> None:
    state = with_calls("look", "look")
    state.context = {"a": 1}
    run_tool(state, "1.0", context_changes={"a": 2})
    assert state.context == {"a": 1}


def test_an_approval_that_nobody_gave_in_time_counts_as_a_rejection() -> None:
    state = with_calls("pay")
    absorb(state, "approval.1.0", "1.0", WaitedTooLong(), 99.0)
    assert outputs(state) == [("c0", "Nobody decided about this call within 60 seconds.")]
    assert (state.decided["1.0"].approve, state.decided["1.0"].at, names(state)) == (False, 99.0, ["model.2"])


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(30 * 86400.0, "30 days"), (86400.0, "24 hours"), (5400.0, "90 minutes"), (90.0, "90 seconds"), (0.5, "0.5 sec")],
)
def test_a_timeout_is_told_in_the_largest_unit_that_it_has_twice(seconds: float, told: str) -> None:
    state = with_calls("pay")
    state.approval_timeout_seconds = seconds
    absorb(state, "approval.1.0", "1.0", WaitedTooLong(), 0.0)
    assert f"within {told}" in outputs(state)[0][1]


def test_a_timeout_after_the_decision_changes_nothing() -> None:
    state = with_calls("pay", "pay")
    approve(state, "1.0")
    absorb(state, "approval.1.0", "1.0", WaitedTooLong(), 99.0)
    assert (state.decided["1.0"].approve, call_steps(state)) == (True, ["1.0"])


def test_a_timeout_of_a_call_that_is_long_over_changes_nothing() -> None:
    state = with_calls("look")
    run_tool(state, "1.0")
    absorb(state, "approval.1.0", "1.0", WaitedTooLong(), 99.0)
    assert (state.decided, names(state)) == ({}, ["model.2"])


def test_our_call_ids_are_never_reused_in_a_run() -> None:
    state = with_calls("look", "look")
    run_tool(state, "1.0")
    run_tool(state, "1.1")
    answer(state, call(id="c7"))
    run_tool(state, "2.0")
    answer(state, message("bye"))
    assert list(state.call_digests) == ["1.0", "1.1", "2.0"]
