"""Model calls: when the next one is made, and when there is none."""

from __future__ import annotations

from perdure.definition import Snapshot
from perdure.loop.absorb import absorb, started
from perdure.loop.plan import plan
from perdure.loop.state import Failure, LoopState, Transcript
from perdure.loop.steps import (
    AgentsSnapshotted,
    CallModel,
    Finish,
    ModelAnswered,
    SnapshotAgents,
    Start,
    StepDeclined,
    StepFailed,
)
from perdure.usage import Usage
from tests.loop.runs import (
    ORIGIN,
    answer,
    call,
    definitions,
    failure,
    message,
    names,
    open_run,
    outputs,
    run_tool,
    said,
    start_all,
)


def test_a_run_begins_with_the_model() -> None:
    assert names(open_run()) == ["model.1"]


def test_planning_twice_starts_nothing_twice() -> None:
    state = open_run()
    start_all(state)
    assert plan(state) == []


def test_planning_changes_nothing() -> None:
    state = open_run()
    answer(state, call(), call("pay", id="c2"), call("book", id="c3"))
    assert plan(state) == plan(state)
    assert state.in_flight == set()


def test_an_agent_known_by_name_is_snapshotted_before_all_else() -> None:
    state = LoopState("Support", Transcript(ORIGIN), max_turns=0)
    assert plan(state) == [Start(SnapshotAgents("snapshot", "Support"))]


def test_a_snapshot_names_the_agent_that_starts() -> None:
    state = LoopState("support-v2", Transcript(ORIGIN))
    start_all(state)
    found: Snapshot = definitions()
    absorb(state, "snapshot", None, AgentsSnapshotted(found), 0.0)
    assert (state.agent, names(state)) == ("Support", ["model.1"])


def test_a_snapshot_that_fails_ends_the_run() -> None:
    state = LoopState("Support", Transcript(ORIGIN))
    start_all(state)
    absorb(state, "snapshot", None, StepFailed(Failure("UserError", "no such agent")), 0.0)
    assert failure(state) == Failure("UserError", "no such agent")


def test_a_run_with_max_turns_0_fails_before_any_model_call() -> None:
    assert failure(open_run(max_turns=0)) == Failure("MaxTurnsExceeded", "Max turns (0) exceeded")


def test_the_last_allowed_turn_may_answer() -> None:
    state = open_run(max_turns=1)
    answer(state, message("bye"))
    assert plan(state) == [Finish()]


def test_the_tools_of_the_last_allowed_turn_run_before_the_limit_ends_the_run() -> None:
    state = open_run(max_turns=1)
    answer(state, call())
    run_tool(state, "1.0", "found")
    assert failure(state).type == "MaxTurnsExceeded"
    assert outputs(state) == [("c1", "found")]


def test_without_a_limit_turns_are_not_counted_against_anything() -> None:
    state = open_run(max_turns=None)
    for turn in range(1, 30):
        answer(state, call(id=f"c{turn}"))
        run_tool(state, f"{turn}.0")
    assert names(state) == ["model.30"]


def test_the_model_is_asked_again_when_all_outputs_are_there() -> None:
    state = open_run()
    answer(state, call(id="c1"), call(id="c2"))
    run_tool(state, "1.0")
    assert names(state) == []
    run_tool(state, "1.1")
    assert names(state) == ["model.2"]


def test_an_outcome_of_a_step_that_is_not_in_flight_changes_nothing() -> None:
    state = open_run()
    absorb(state, "model.1", None, ModelAnswered([message("early")], Usage.of_request(1, 1)), 0.0)
    assert (state.turn, state.usage.requests, len(said(state))) == (0, 0, 1)


def test_a_step_that_fails_ends_the_run_and_the_first_failure_is_the_one_told() -> None:
    state = open_run()
    answer(state, call(id="c1"), call(id="c2"))
    start_all(state)
    absorb(state, "tool.1.1", "1.1", StepFailed(Failure("UserError", "second call")), 0.0)
    absorb(state, "tool.1.0", "1.0", StepFailed(Failure("UserError", "first call")), 0.0)
    assert failure(state).message == "second call"


def test_a_failed_run_starts_nothing_more() -> None:
    state = open_run()
    answer(state, call(id="c1"), call("pay", id="c2"), call(id="c3"))
    start_all(state)
    absorb(state, "tool.1.0", "1.0", StepFailed(Failure("UserError", "broken")), 0.0)
    assert names(state) == ["UserError"]


def test_usage_is_summed_over_the_turns() -> None:
    state = open_run()
    answer(state, call(), usage=Usage.of_request(10, 5, cached_tokens=4, reasoning_tokens=1))
    run_tool(state, "1.0")
    answer(state, message("bye"), usage=Usage.of_request(20, 7, cached_tokens=8))
    used = state.usage
    assert (used.requests, used.input_tokens, used.output_tokens, used.total_tokens) == (2, 30, 12, 42)
    assert (used.input_tokens_details.cached_tokens, used.output_tokens_details.reasoning_tokens) == (12, 1)
    assert [entry.total_tokens for entry in used.request_usage_entries] == [15, 27]


def test_an_answer_that_cannot_be_followed_is_paid_for_nevertheless() -> None:
    state = open_run()
    answer(state, call("nothing"), usage=Usage.of_request(10, 5))
    assert (state.usage.requests, state.usage.total_tokens) == (1, 15)


def test_each_answer_is_recorded_with_its_items_and_ids() -> None:
    state = open_run()
    answer(state, message("let me see"), call(), response_id="resp_1", request_id="req_1")
    run_tool(state, "1.0")
    answer(state, message("bye"))
    first, second = state.responses
    assert (first.turn, first.first, first.count, first.response_id, first.request_id) == (1, 1, 2, "resp_1", "req_1")
    assert (second.turn, second.first, second.count, second.response_id) == (2, 4, 1, None)


def test_a_model_call_marks_what_it_was_sent() -> None:
    state = open_run()
    start_all(state)
    assert state.transcript.sent == 1


def test_the_agent_has_used_a_tool_once_it_called_one() -> None:
    state = open_run()
    assert state.agents_with_tool_use == set()
    answer(state, call())
    assert state.agents_with_tool_use == {"Support"}


def test_a_tool_that_the_provider_ran_counts_as_used() -> None:
    state = open_run()
    answer(state, {"type": "web_search_call", "id": "ws_1", "status": "completed"})
    assert state.agents_with_tool_use == {"Support"}


def test_a_message_or_a_search_for_tools_is_no_use_of_a_tool() -> None:
    state = open_run()
    answer(state, {"type": "tool_search_call", "id": "ts_1"})
    answer(state, message("bye"))
    assert state.agents_with_tool_use == set()


def test_a_model_call_that_no_worker_can_make_is_offered_again_without_end() -> None:
    state = open_run()
    for times in range(30):
        (action,) = plan(state)
        assert isinstance(action, Start)
        assert isinstance(action.step, CallModel)
        assert action.step.delay_seconds == (0 if times == 0 else min(2.0 * 2 ** (times - 1), 60.0))
        started(state, action.step.id)
        absorb(state, action.step.id, None, StepDeclined("no agent"), 0.0)
    assert state.warnings == ["Turn 1 waits for a worker: no agent"]
    assert (state.turn, state.failure) == (0, None)
