"""What a run's session is told, and when; with values alone."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from perdure import Agent
from perdure.canonical import canonical
from perdure.contracts.frozen import freeze, thaw
from perdure.definition import SessionDefinition
from perdure.guardrail import output_guardrail
from perdure.limits import MAX_SESSION_WRITE_BYTES
from perdure.loop.edits import Rewritten
from perdure.loop.plan import plan
from perdure.loop.records import Entry, Failure
from perdure.loop.saving import go_on_with, write_as
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import (
    CallModel,
    CallTool,
    Cancel,
    Fail,
    Finish,
    SessionRead,
    SessionWritten,
    StepFailed,
    UseSession,
)
from tests.loop.runs import answer, answered, approve, call, message, open_run, passed, returned, steps, tool

CHAT = SessionDefinition(session_id="chat")


@output_guardrail
async def judge(context: Any, agent: Any, output: Any) -> Any:
    raise NotImplementedError


@output_guardrail
async def other_judge(context: Any, agent: Any, output: Any) -> Any:
    raise NotImplementedError


def remembering(agent: Agent[Any], **options: Any) -> LoopState:
    """A run with a session, at its beginning."""
    return open_run(agent, session=CHAT, **options)


def read(*history: dict[str, Any]) -> SessionRead:
    """The history, with the input after it."""
    new = {"content": "hi", "role": "user"}
    entries = [Entry(canonical(item), "input", "A", 0, "") for item in (*history, new)]
    return SessionRead(Rewritten([], entries), [new])


def use(state: LoopState) -> UseSession:
    """What the session is asked or told next."""
    [step] = [step for step in steps(state) if isinstance(step, UseSession)]
    return step


def due(state: LoopState) -> list[str]:
    """What the session is told next, in short."""
    assert state.root.session is not None
    return [short(json.loads(item)) for item in state.root.session.due[0].items]


def short(item: dict[str, Any]) -> str:
    return item.get("role") or f"{item['type'].removeprefix('function_')} {item.get('output', '')}".strip()


def write(state: LoopState) -> list[str]:
    """Tells the session what is due."""
    told = due(state)
    answer(state, use(state), SessionWritten())
    return told


def begun(agent: Agent[Any], **options: Any) -> LoopState:
    """A run that has told its session the input."""
    state = remembering(agent, **options)
    answer(state, use(state), read())
    write(state)
    return state


def ask(state: LoopState, *items: dict[str, Any]) -> None:
    [step] = [step for step in steps(state) if isinstance(step, CallModel)]
    answer(state, step, answered(*items))


def run_tool(state: LoopState, text: str = "done") -> None:
    step = next(step for step in steps(state) if isinstance(step, CallTool))
    answer(state, step, returned(state, step, text))


def test_a_run_without_a_session_has_no_step_and_no_field_for_one() -> None:
    state = open_run(Agent(name="A"))
    assert [type(step) for step in steps(state)] == [CallModel]
    assert "session" not in freeze(state)["root"]
    assert thaw(freeze(state)).root.session is None


def test_the_history_is_read_then_the_input_told_before_anything_else() -> None:
    state = remembering(Agent(name="A"))
    assert [step.id for step in steps(state)] == ["session.read"]
    answer(state, use(state), read({"content": "old", "role": "user"}))
    assert [step.id for step in steps(state)] == ["session.write.0"]
    assert write(state) == ["user"]
    assert [type(step) for step in steps(state)] == [CallModel]
    assert [json.loads(entry.data)["content"] for entry in state.root.requested.entries] == ["old", "hi"]
    assert not state.root.input_is_text


def test_each_turn_is_told_before_the_next_one() -> None:
    state = begun(Agent(name="A", tools=[tool("t")]))
    ask(state, call("t"))
    run_tool(state)
    assert [step.id for step in steps(state)] == ["session.write.1"]
    assert write(state) == ["call", "call_output done"]
    ask(state, message("done"))
    assert [step.id for step in steps(state)] == ["session.write.2"]
    assert write(state) == ["assistant"]
    assert plan(state) == [Finish()]


def test_a_turn_that_waits_is_told_once_and_the_rest_later() -> None:
    state = begun(Agent(name="A", tools=[tool("t"), tool("pay", needs_approval=True)]))
    ask(state, call("pay"), call("t"))
    assert not [step for step in steps(state) if isinstance(step, UseSession)]
    run_tool(state)
    assert write(state) == ["call", "call", "call_output done"]
    settle(state, 1.0)
    assert not steps(state)
    approve(state, "1.0")
    run_tool(state, "paid")
    assert write(state) == ["call_output paid"]


def test_a_decision_while_the_session_is_told_waits_for_nothing() -> None:
    state = begun(Agent(name="A", tools=[tool("pay", needs_approval=True)]))
    ask(state, call("pay"))
    telling = use(state)
    approve(state, "1.0")
    assert {type(step) for step in steps(state)} == {CallTool, UseSession}
    run_tool(state, "paid")
    assert [step.id for step in steps(state)] == [telling.id]
    assert write(state) == ["call"]
    assert write(state) == ["call_output paid"]


def test_a_turn_is_told_before_the_limit_of_turns_ends_the_run() -> None:
    state = begun(Agent(name="A", tools=[tool("t")]), max_turns=1)
    ask(state, call("t"))
    run_tool(state)
    write(state)
    [failed] = plan(state)
    assert isinstance(failed, Fail)
    assert failed.failure.type == "MaxTurnsExceeded"


def test_no_turn_at_all_has_told_the_input() -> None:
    state = begun(Agent(name="A"), max_turns=0)
    assert isinstance(plan(state)[0], Fail)


def test_a_message_that_a_guardrail_stops_is_not_told() -> None:
    state = begun(Agent(name="A", output_guardrails=[judge]))
    ask(state, message("bad"))
    [guard] = steps(state)
    answer(state, guard, passed(guard, "raise"))  # pyright: ignore[reportArgumentType]  # it is one
    assert isinstance(plan(state)[0], Fail)


def test_a_tools_answer_that_a_guardrail_stops_is_told_without_its_output() -> None:
    state = begun(
        Agent(
            name="A", tools=[tool("t")], tool_use_behavior="stop_on_first_tool", output_guardrails=[judge, other_judge]
        )
    )
    ask(state, call("t"))
    run_tool(state, "secret")
    first, second = steps(state)
    state.in_flight[second.id] = second.path
    answer(state, first, passed(first, "raise"))  # pyright: ignore[reportArgumentType]  # it is one
    assert Cancel(second.id) in plan(state)
    assert write(state) == ["call", "call_output Output withheld by an output guardrail."]
    [failed] = plan(state)
    assert isinstance(failed, Fail)
    assert failed.failure.type == "OutputGuardrailTripwireTriggered"


def test_a_guardrail_that_raises_leaves_the_last_turn_told() -> None:
    state = begun(Agent(name="A", output_guardrails=[judge]))
    ask(state, message("fine"))
    [guard] = steps(state)
    answer(state, guard, StepFailed(Failure("ValueError", "bad")))
    assert write(state) == ["assistant"]
    assert plan(state) == [Fail(Failure("ValueError", "bad"))]


def test_a_tools_answer_that_waits_and_may_be_stopped_is_told_at_the_end_alone() -> None:
    pay = tool("pay", needs_approval=True)
    state = begun(Agent(name="A", tools=[pay], tool_use_behavior="stop_on_first_tool", output_guardrails=[judge]))
    ask(state, call("pay"))
    assert not steps(state)


@pytest.mark.parametrize("fail_at", ["read", "first write", "later write"])
def test_a_session_that_fails_for_good_ends_the_run(fail_at: str) -> None:
    failed, state = StepFailed(Failure("ValueError", "no")), remembering(Agent(name="A", tools=[tool("t")]))
    if fail_at != "read":
        answer(state, use(state), read())
    if fail_at == "later write":
        write(state)
        ask(state, call("t"))
        run_tool(state)
    answer(state, use(state), failed)
    assert plan(state) == [Fail(failed.failure)]


def test_much_is_told_in_several_writes() -> None:
    state = begun(Agent(name="A", tools=[tool("t")]))
    ask(state, *(call("t", f'{{"x": {number}}}', f"c{number}") for number in range(20)))
    for _ in range(20):
        run_tool(state, "x" * (MAX_SESSION_WRITE_BYTES // 10))
    assert state.root.session is not None
    sizes = [sum(map(len, each.items)) for each in state.root.session.due]
    assert len(sizes) > 2
    assert max(sizes) <= MAX_SESSION_WRITE_BYTES
    told = [item for _ in sizes for item in write(state)]
    assert len(told) == 40


def test_a_run_that_goes_on_elsewhere_keeps_the_key_of_what_was_due() -> None:
    state = remembering(Agent(name="A"))
    answer(state, use(state), read())
    other = thaw(freeze(state))
    write_as(other, "elsewhere")
    assert other.root.session is not None
    assert [each.writer for each in other.root.session.due] == ["w"]
    answer(other, use(other), SessionWritten())
    ask(other, message("done"))
    assert [(each.writer, each.number) for each in other.root.session.due] == [("elsewhere", 1)]


def test_a_session_that_comes_with_a_state_is_told_what_is_new_alone() -> None:
    state = open_run(Agent(name="A", tools=[tool("pay", needs_approval=True)]))
    ask(state, call("pay"))
    go_on_with(state.root, CHAT)
    settle(state, 0.0)
    assert not steps(state)
    approve(state, "1.0")
    run_tool(state, "paid")
    assert write(state) == ["call_output paid"]
    go_on_with(state.root, None)
    assert state.root.session is None


CASES: dict[str, Callable[[LoopState], None]] = {
    "at the start": lambda state: None,
    "read": lambda state: answer(state, use(state), read()),
}


@pytest.mark.parametrize("case", CASES)
def test_a_frozen_run_asks_for_the_same_again(case: str) -> None:
    state = remembering(Agent(name="A"))
    CASES[case](state)
    assert [step.id for step in steps(thaw(freeze(state)))] == [step.id for step in steps(state)]
