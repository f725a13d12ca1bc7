"""Input that is sent to a run under way enters once, before the next model request, after guardrails have judged it."""

from __future__ import annotations

from typing import Any

import pytest

from perdure.agent import Agent
from perdure.contracts.frozen import freeze, thaw
from perdure.guardrail import GuardrailFunctionOutput, input_guardrail
from perdure.limits import MAX_KNOWN_MESSAGES, MAX_WAITING_INPUT_BYTES
from perdure.loop.records import Failure, SentInput
from perdure.loop.sending import Taken, take, unsaid
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import CallModel, CallTool, CheckGuardrail, Step, StepFailed
from perdure.settings import RunConfig
from tests.loop.runs import answer, answered, approve, call, message, open_run, passed, play, returned, steps, tool


@input_guardrail
def beside(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    raise AssertionError("the loop runs no code of the user")


@input_guardrail(run_in_parallel=False)
def before(context: Any, agent: Any, given: Any) -> GuardrailFunctionOutput:
    raise AssertionError("the loop runs no code of the user")


def user(text: str) -> dict[str, Any]:
    return {"content": text, "role": "user"}


def send(state: LoopState, message_id: str, *texts: str, withdraw: list[str] | None = None) -> Taken:
    taken = take(state, SentInput(message_id, [user(text) for text in texts], withdraw=withdraw or []))
    settle(state, 0.0)
    return taken


def waiting() -> LoopState:
    """A run whose call waits for a decision."""
    state = open_run(Agent(name="A", tools=[tool("pay", needs_approval=True)]))
    answer(state, steps(state)[0], answered(call("pay")))
    return state


def pay(state: LoopState) -> None:
    approve(state, "1.0")
    [step] = steps(state)
    assert isinstance(step, CallTool)
    answer(state, step, returned(state, step))


def said(state: LoopState) -> list[tuple[str, int]]:
    return [(entry.kind, entry.turn) for entry in state.root.record.entries]


def test_what_is_sent_while_a_call_waits_enters_after_its_output() -> None:
    state = waiting()
    assert send(state, "m1", "one", "two").verdict == "accepted"
    assert said(state) == [("input", 0), ("answer", 1)]
    pay(state)
    assert said(state)[2:] == [("output", 1), ("added", 1), ("added", 1)]
    assert isinstance(steps(state)[0], CallModel)
    assert state.root.pending == []


def test_what_is_sent_before_the_first_request_is_part_of_it() -> None:
    state = open_run(Agent(name="A", input_guardrails=[before]))
    [check] = steps(state)
    send(state, "m1", "more")
    assert isinstance(check, CheckGuardrail)
    answer(state, check, passed(check))
    [again] = steps(state)
    assert isinstance(again, CheckGuardrail)
    assert (again.added, again.id) == (True, "guardrail.added.1.agent.0")
    answer(state, again, passed(again))
    assert said(state) == [("input", 0), ("added", 0)]


def test_what_is_sent_while_the_model_is_asked_is_part_of_the_next_request() -> None:
    state = open_run(Agent(name="A", tools=[tool("look")]))
    sent = False

    def outcome(step: Step) -> None:
        nonlocal sent
        if isinstance(step, CallModel) and not sent:
            sent = True
            send(state, "m1", "more")

    played = play(state, {"A": [[call("look")], [message("bye")]]}, outcome)
    assert [len(request) for request in played.requests] == [1, 4]
    assert played.requests[1][-1] == user("more")


def test_all_guardrails_judge_what_was_added_before_the_model_is_asked() -> None:
    agent = Agent[Any](name="A", tools=[tool("pay", needs_approval=True)], input_guardrails=[before, beside])
    state = open_run(agent, RunConfig(input_guardrails=[beside]))
    while not state.waiting_calls():
        step = steps(state)[0]
        answer(state, step, passed(step) if isinstance(step, CheckGuardrail) else answered(call("pay")))
    send(state, "m1", "more")
    pay(state)
    due = steps(state)
    assert [step.id for step in due] == [f"guardrail.added.3.{name}" for name in ("agent.0", "agent.1", "run.0")]
    for step in due:
        assert isinstance(step, CheckGuardrail)
        assert state.root.record.count == 3
        answer(state, step, passed(step))
    assert [step.id for step in steps(state)] == ["model.2"]
    assert len(state.root.guardrails) == 6


def test_what_comes_while_guardrails_judge_is_judged_after_it() -> None:
    state = guarded()
    send(state, "m1", "one")
    pay(state)
    [first] = steps(state)
    send(state, "m2", "two")
    assert [step.id for step in steps(state)] == [first.id]
    assert isinstance(first, CheckGuardrail)
    answer(state, first, passed(first))
    [second] = steps(state)
    assert isinstance(second, CheckGuardrail)
    assert second.id != first.id
    answer(state, second, passed(second))
    assert [entry.data for entry in state.root.record.entries[-2:]] == [
        b'{"content":"one","role":"user"}',
        b'{"content":"two","role":"user"}',
    ]


def guarded() -> LoopState:
    """A run whose call waits, with a guardrail before each request."""
    state = open_run(Agent(name="A", tools=[tool("pay", needs_approval=True)], input_guardrails=[before]))
    [check] = steps(state)
    assert isinstance(check, CheckGuardrail)
    answer(state, check, passed(check))
    answer(state, steps(state)[0], answered(call("pay")))
    return state


def test_a_guardrail_that_trips_ends_the_run_and_the_input_was_not_said() -> None:
    state = guarded()
    send(state, "m1", "bad")
    pay(state)
    [check] = steps(state)
    assert isinstance(check, CheckGuardrail)
    answer(state, check, passed(check, "raise"))
    assert state.failure is not None
    assert state.failure.type == "InputGuardrailTripwireTriggered"
    assert [sent.message_id for sent in state.root.pending] == ["m1"]
    assert said(state)[-1] == ("output", 1)
    assert "before its model was told what was sent to it last (1: m1)" in unsaid(state)


def test_the_same_message_is_taken_once() -> None:
    state = waiting()
    assert [send(state, "m1", text).verdict for text in ("one", "one", "other")] == ["accepted", "repeated", "repeated"]
    pay(state)
    assert send(state, "m1", "one").verdict == "repeated"
    assert [kind for kind, _ in said(state)].count("added") == 1


def test_a_run_that_has_its_final_output_or_its_error_takes_nothing() -> None:
    ended = play(open_run(Agent(name="A")), {"A": [[message("bye")]]}).state
    assert send(ended, "m1", "more").verdict == "too late"
    failed = open_run(Agent(name="A"))
    answer(failed, steps(failed)[0], StepFailed(Failure("UserError", "no")))
    assert send(failed, "m1", "more").verdict == "too late"


def test_a_final_answer_ends_the_run_before_what_was_sent_meanwhile_and_the_run_says_so() -> None:
    state = open_run(Agent(name="A"))
    [step] = steps(state)
    send(state, "m1", "wait")
    answer(state, step, answered(message("bye")))
    assert state.root.stage == "done"
    assert "(1: m1)" in unsaid(state)


def test_a_run_under_way_or_one_that_said_all_has_nothing_unsaid() -> None:
    state = waiting()
    send(state, "m1", "more")
    assert unsaid(state) == ""
    assert unsaid(play(open_run(Agent(name="A")), {"A": [[message("bye")]]}).state) == ""


def test_only_so_much_may_wait() -> None:
    state = waiting()
    half = "x" * (MAX_WAITING_INPUT_BYTES // 2)
    assert [send(state, name, half).verdict for name in ("m1", "m2")] == ["accepted", "too much"]
    pay(state)
    assert send(state, "m2", half).verdict == "accepted"


def test_what_waits_can_be_taken_back_and_what_was_said_cannot() -> None:
    state = waiting()
    send(state, "m1", "one")
    send(state, "m2", "two")
    assert send(state, "m3", "three", withdraw=["m1", "never sent"]).verdict == "accepted"
    assert send(state, "m4", withdraw=["m2"]).verdict == "accepted"
    pay(state)
    assert [entry.data for entry in state.root.record.entries if entry.kind == "added"] == [
        b'{"content":"three","role":"user"}'
    ]
    gone = send(state, "m5", withdraw=["m3"])
    assert (gone.verdict, gone.explanation) == (
        "too late",
        "Message m3 does not wait (any more), so it cannot be taken back.",
    )


def test_what_is_being_judged_cannot_be_taken_back() -> None:
    state = guarded()
    send(state, "m1", "one")
    pay(state)
    assert send(state, "m2", withdraw=["m1"]).verdict == "too late"


def test_what_waits_and_what_is_known_survives_a_new_history() -> None:
    state = guarded()
    send(state, "m1", "one")
    pay(state)
    again = thaw(freeze(state))
    assert [sent.message_id for sent in again.root.pending] == ["m1"]
    assert again.root.admission == state.root.admission
    assert send(again, "m1", "one").verdict == "repeated"


def test_a_run_knows_the_last_messages() -> None:
    state = waiting()
    for number in range(MAX_KNOWN_MESSAGES + 2):
        send(state, f"m{number}", "x")
        state.root.pending = []
    assert len(state.message_ids) == MAX_KNOWN_MESSAGES
    assert send(state, "m1", "x").verdict == "accepted"
    assert send(state, f"m{MAX_KNOWN_MESSAGES}", "x").verdict == "repeated"


@pytest.mark.parametrize("turns", [1, 2])
def test_what_was_not_said_before_the_last_turn_stays(turns: int) -> None:
    state = open_run(Agent(name="A", tools=[tool("pay", needs_approval=True)]), max_turns=turns)
    answer(state, steps(state)[0], answered(call("pay")))
    send(state, "m1", "more")
    pay(state)
    assert (state.failure is not None, len(state.root.pending)) == ((True, 1) if turns == 1 else (False, 0))
