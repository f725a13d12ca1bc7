"""Whatever a model answers and however steps end: a run ends, fails with a type, or waits with a reason."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from perdure.agent import Agent
from perdure.loop.absorb import absorb, started
from perdure.loop.plan import plan
from perdure.loop.records import Failure
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import (
    CallModel,
    CallTool,
    CheckGuardrail,
    Fail,
    Finish,
    HooksRan,
    Outcome,
    OutcomeUnknown,
    RunHook,
    Start,
    Step,
    StepDeclined,
    StepFailed,
    UserSaid,
    Wait,
)
from tests.loop.runs import answered, approve, call, message, open_run, passed, returned, tool
from tests.loop.test_turns import Report, after, before, beside
from tests.thoroughness import THOROUGH

NAMES = ["a", "pay", "ask", "transfer_to_b", "transfer_to_a", "fly"]
ITEMS = st.one_of(
    st.builds(
        call,
        st.sampled_from(NAMES),
        st.sampled_from(["{}", '{"input": "q"}', "[", "", "null"]),
        st.sampled_from(["c1", "c2", "c3", ""]),
    ),
    st.builds(message, st.sampled_from(["", "bye", '{"text": "x"}'])),
    st.sampled_from(
        [{"type": "reasoning", "summary": []}, {"type": "web_search_call", "id": "w"}, {"type": "function_call"}]
    ),
    st.just({"type": "message", "role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}),
)


@st.composite
def agents(draw: st.DrawFn) -> Agent[Any]:
    inner = Agent[Any](name="In", tools=[tool("pay", needs_approval=True)], input_guardrails=[beside])
    a, b = Agent[Any](name="A"), Agent[Any](name="B")
    for agent in (a, b):
        agent.tools = [tool("a"), tool("pay", needs_approval=True), inner.as_tool("ask", "Asks.")]
        agent.output_type = draw(st.sampled_from([None, Report]))
        agent.tool_use_behavior = draw(st.sampled_from(["run_llm_again", "stop_on_first_tool", lambda *_: None]))
        agent.input_guardrails = draw(st.sampled_from([[], [beside], [beside, before]]))
        agent.output_guardrails = draw(st.sampled_from([[], [after]]))
    a.handoffs, b.handoffs = [b], [a]
    return a


def outcome_of(data: st.DataObject, state: LoopState, step: Step) -> Outcome:
    trouble = data.draw(st.integers(0, 19))
    if trouble == 0:
        return StepFailed(Failure("UserError", "broken"))
    if trouble == 1:
        return StepDeclined("no such agent")
    return _answer_of(data, state, step, trouble)


def _answer_of(data: st.DataObject, state: LoopState, step: Step, trouble: int) -> Outcome:
    match step:
        case CallModel():
            return answered(*data.draw(st.lists(ITEMS, max_size=4)))
        case CallTool():
            return OutcomeUnknown() if trouble == 2 else returned(state, step)
        case CheckGuardrail():
            rejects = "reject" if step.kind.startswith("tool") else "raise"
            return passed(step, rejects if trouble == 2 else "allow", "no")
        case RunHook():
            return HooksRan()
        case _:
            return UserSaid(text="worded")


def check_request(state: LoopState, step: CallModel) -> None:
    """Each call that a model is shown has its output."""
    frame = state.frame(step.path)
    assert frame is not None
    items = [json.loads(entry.data) for entry in frame.requested.entries]
    made = [item["call_id"] for item in items if item.get("type") == "function_call"]
    outputs = [item["call_id"] for item in items if item.get("type") == "function_call_output"]
    assert sorted(made) == sorted(outputs)


@settings(max_examples=500 if THOROUGH else 50, deadline=None)
@given(agent=agents(), data=st.data())
def test_every_run_ends_or_waits_with_a_reason(agent: Agent[Any], data: st.DataObject) -> None:
    state = open_run(agent, max_turns=5)
    flying: list[Step] = []
    seen: set[str] = set()
    for _ in range(300):
        actions = plan(state)
        if any(isinstance(action, Finish | Fail) for action in actions):
            assert state.failure is None or state.failure.type
            return
        for action in actions:
            if isinstance(action, Start):
                assert action.step.id not in seen, "a step was started twice"
                seen.add(action.step.id)
                if isinstance(action.step, CallModel):
                    check_request(state, action.step)
                started(state, action.step)
                flying.append(action.step)
        assert not any(isinstance(action, Start) for action in plan(state))
        flying = [step for step in flying if step.id in state.in_flight]
        waits = [action for action in actions if isinstance(action, Wait)]
        assert flying or waits, "the run is stuck"
        if flying and (not waits or data.draw(st.booleans())):
            step = flying.pop(data.draw(st.integers(0, len(flying) - 1)))
            if state.frame(step.path) is None:  # its frame is gone: the driver cancels it
                state.in_flight.pop(step.id)
                continue
            absorb(state, step, outcome_of(data, state, step))
            settle(state, 0.0)
        else:
            wait = data.draw(st.sampled_from(waits))
            assert approve(state, wait.call_id, yes=data.draw(st.booleans())) == "accepted"
    raise AssertionError("the run does not end")
