"""A thread goes from message to message by values alone: what each run leaves is what a session would be told."""

from __future__ import annotations

import json
from typing import Any

from perdure.agent import Agent
from perdure.contracts.frozen import freeze, rebase, thaw
from perdure.definition import RunRules
from perdure.guardrail import GuardrailFunctionOutput, output_guardrail
from perdure.limits import MAX_KNOWN_MESSAGES, MAX_KNOWN_OUTCOMES, MAX_QUEUED_BYTES
from perdure.loop.absorb import absorb, started
from perdure.loop.conversing import Message, Thread
from perdure.loop.listening import Taken, close_thread, open_thread, take_message
from perdure.loop.plan import plan
from perdure.loop.records import Failure, GuardrailRecord, Transcript
from perdure.loop.settle import settle
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import CallModel, Cancel, CheckGuardrail, Finish, GuardrailChecked, StepFailed
from perdure.loop.threads import forget_outcomes
from perdure.settings import RunConfig
from perdure.snapshot import snapshot
from perdure.transcript import chain_start
from tests.loop.runs import answer, answered, approve, call, message, passed, returned, steps, tool


@output_guardrail
def judge(context: Any, agent: Any, output: Any) -> GuardrailFunctionOutput:
    raise AssertionError("the loop runs no code of the user")


AGENTS = snapshot(
    Agent(name="A", tools=[tool("look"), tool("pay", needs_approval=True)]), RunConfig(), None, None
)  # taken once, as it is for many messages


def opened() -> LoopState:
    record = Transcript(chain_start("n", "w", "r", "", 0))
    state = LoopState("", Frame(path="", agent="", rules=RunRules(), record=record, shown=record))
    open_thread(state, "")
    return state


def thread_of(state: LoopState) -> Thread:
    assert state.thread is not None
    return state.thread


def say(state: LoopState, text: str, agent: Agent[Any] | None = None, **options: Any) -> Taken:
    taken = AGENTS if agent is None else snapshot(agent, RunConfig(), None, None)
    values = {"snapshot": taken, "message_id": text, **options}
    items = [{"content": text, "role": "user"}]
    receipt = take_message(thread_of(state), Message(0, items=items, agent=taken.start, **values), "agents")
    settle(state, 0.0)
    return receipt


def said(state: LoopState, *answers: Any) -> None:
    for each in answers:
        [step] = steps(state)
        answer(state, step, answered(each) if isinstance(step, CallModel) else returned(state, step))


def kinds(transcript: Transcript) -> list[str]:
    return [entry.kind for entry in transcript.entries]


def test_a_thread_between_messages_asks_for_nothing_and_waits_for_nothing() -> None:
    state = opened()
    assert plan(state) == []
    say(state, "hi")
    said(state, message("hello"))
    assert (plan(state), state.root.stage) == ([], "listening")


def test_the_next_message_goes_on_from_what_was_said_without_copying_it() -> None:
    state = opened()
    say(state, "one")
    said(state, message("1"))
    history, digest = thread_of(state).history, thread_of(state).history.digest_at(2)
    say(state, "two")
    assert state.root.record is history
    assert history.digest_at(2) == digest
    assert (history.given, kinds(history)) == (2, ["input", "answer", "input"])


def test_messages_that_come_meanwhile_wait_in_order() -> None:
    state = opened()
    taken = [say(state, text).sequence for text in ("one", "two", "three")]
    assert (taken, len(thread_of(state).queue)) == ([1, 2, 3], 2)
    for text in ("1", "2", "3"):
        said(state, message(text))
    assert [ended.message_id for ended in thread_of(state).ended] == ["one", "two", "three"]


def test_no_step_of_a_message_has_the_id_of_one_before() -> None:
    state, ids = opened(), list[str]()
    agent = Agent(name="A", tools=[tool("look")], output_guardrails=[judge])
    for text in ("one", "two", "three"):
        say(state, text, agent)
        while state.root.stage != "listening":
            [step] = steps(state)
            ids.append(step.id)
            if isinstance(step, CheckGuardrail):
                answer(state, step, passed(step))
            elif isinstance(step, CallModel) and text == "two":
                answer(state, step, StepFailed(Failure("Down", "no")))
            else:
                answer(state, step, answered(message(f"to {text}")))
    assert len(ids) == len(set(ids)) == 5


def test_what_a_failed_message_leaves_in_flight_is_stopped_and_its_late_result_changes_nothing() -> None:
    state = opened()
    say(state, "one")
    [step] = steps(state)
    answer(state, step, answered(call("look", call_id="a"), call("look", '{"x": 1}', call_id="b")))
    first, second = steps(state)
    for step in (first, second):
        started(state, step)
    late = returned(state, second)
    absorb(state, first, StepFailed(Failure("Down", "no")))
    settle(state, 0.0)
    assert state.root.stage == "listening"
    assert plan(state) == [Cancel(second.id)]
    before = freeze(state)
    absorb(state, second, late)
    settle(state, 0.0)
    assert freeze(state) == before


def test_an_answer_that_a_guardrail_stops_is_not_kept() -> None:
    state = opened()
    say(state, "hi", Agent(name="A", output_guardrails=[judge]))
    said(state, message("bad"))
    [step] = steps(state)
    assert isinstance(step, CheckGuardrail)
    record = GuardrailRecord("output", step.source, step.index, step.name, "A", behavior="raise")
    answer(state, step, GuardrailChecked(record))
    thread = thread_of(state)
    assert kinds(thread.history) == ["input"]
    assert [entry.kind for entry in thread.ended[-1].own or []] == ["answer"]


def test_a_call_that_never_had_an_output_is_kept_and_not_sent_again() -> None:
    state = opened()
    say(state, "one")
    said(state, call("pay"))
    approve(state, "1.0")
    [step] = steps(state)
    answer(state, step, StepFailed(Failure("Down", "no")))
    assert kinds(thread_of(state).history) == ["input", "answer"]
    say(state, "two")
    assert kinds(state.root.requested) == ["input", "input"]
    said(state, message("fine"))
    assert kinds(thread_of(state).history) == ["input", "answer", "input", "answer"]


def test_a_thread_goes_on_from_its_json_in_the_middle_of_a_message() -> None:
    state = opened()
    say(state, "one")
    said(state, message("1"))
    say(state, "two")
    said(state, call("look"))
    say(state, "three")
    state = thaw(json.loads(json.dumps(freeze(state))))
    rebase(state, chain_start("n", "w", "r", "", 0))
    assert state.root.record is thread_of(state).history
    said(state, None, message("2"), message("3"))
    assert [ended.end for ended in thread_of(state).ended] == [2, 6, 8]


def test_the_turns_of_each_message_are_counted_by_themselves() -> None:
    state = opened()
    for text in ("one", "two"):
        say(state, text, max_turns=1)
        said(state, call("look", call_id=text), None)
    failures = [ended.failure for ended in thread_of(state).ended]
    assert [failure and failure.message for failure in failures] == ["Max turns (1) exceeded"] * 2


def test_another_agent_s_definition_counts_from_the_next_message_on() -> None:
    state, other = opened(), Agent(name="B")
    say(state, "one", Agent(name="A", handoffs=[other]))
    said(state, call("transfer_to_b"), message("1"))
    say(state, "two", Agent(name="A", handoffs=[other]))
    assert state.root.agent == "B"
    said(state, message("2"))
    say(state, "three", Agent(name="A"))
    assert state.root.agent == "A"


def test_a_message_that_wants_agents_that_the_thread_lacks_has_to_bring_them() -> None:
    state = opened()
    say(state, "one")
    brings_none = Message(0, "two", [], "A")
    assert take_message(thread_of(state), brings_none, "others").verdict == "other agents"
    assert take_message(thread_of(state), brings_none, "agents").verdict == "accepted"


def test_a_closed_thread_finishes_its_messages_and_takes_no_more() -> None:
    state = opened()
    say(state, "one")
    close_thread(thread_of(state))
    settle(state, 0.0)
    assert say(state, "two").verdict == "too late"
    assert not any(isinstance(each, Finish) for each in plan(state))
    said(state, message("1"))
    assert plan(state) == [Finish()]


def test_what_waits_is_bounded_and_what_is_known_of_old_messages_too() -> None:
    state = opened()
    say(state, "one")
    assert say(state, "x" * MAX_QUEUED_BYTES).verdict == "too much"
    said(state, message("1"))
    for number in range(MAX_KNOWN_MESSAGES + 5):
        say(state, str(number))
        said(state, message(f"to {number}"))
    thread = thread_of(state)
    assert (len(thread.known), len(thread.ended)) == (MAX_KNOWN_MESSAGES, MAX_KNOWN_OUTCOMES)
    assert say(state, str(MAX_KNOWN_MESSAGES)).verdict == "repeated"


def test_outcomes_that_take_much_room_are_forgotten_but_the_last() -> None:
    state = opened()
    for number in range(4):
        say(state, str(number))
        [step] = steps(state)
        answer(state, step, StepFailed(Failure("Down", "long " * 16_000)))
    forget_outcomes(thread_of(state))
    assert [ended.sequence for ended in thread_of(state).ended] == [3, 4]
