"""A run that is paused, interrupted or told something at once: what is under way ends, and nothing is lost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from perdure.agent import Agent
from perdure.contracts.frozen import freeze, thaw
from perdure.definition import SessionDefinition
from perdure.hooks import RunHooks
from perdure.loop.absorb import absorb, give_up, started
from perdure.loop.edits import Rewritten
from perdure.loop.holds import Hold
from perdure.loop.passing_over import NOT_ENDED
from perdure.loop.pausing import interrupt, pause, resume
from perdure.loop.plan import plan
from perdure.loop.records import Failure, Kept, SentInput, When
from perdure.loop.sending import Taken, take, unsaid
from perdure.loop.settle import settle
from perdure.loop.state import LoopState
from perdure.loop.steps import (
    CallModel,
    CallTool,
    CheckGuardrail,
    Finish,
    Interrupt,
    OutcomeUnknown,
    RunHook,
    SessionRead,
    SessionWritten,
    Start,
    Step,
    StepDeclined,
    StepFailed,
    UserSaid,
    UseSession,
    Wait,
)
from perdure.loop.stopping import stop
from perdure.loop.urgency import NOT_RUN
from perdure.settings import RunConfig
from tests.loop.runs import answer, answered, approve, call, message, open_run, passed, returned, steps, tool
from tests.loop.test_sending import beside, user
from tests.loop.test_turns import after

ANA = Hold(by="ana", at=1.0)


def say(state: LoopState, text: str = "use euros", when: When = "now", name: str = "") -> Taken:
    taken = take(state, SentInput(name or text, [user(text)], when=when))
    settle(state, 0.0)
    return taken


def held(state: LoopState, do: Any) -> Taken:
    taken = do(state, ANA)
    settle(state, 0.0)
    return taken


def go_on(state: LoopState) -> None:
    assert resume(state).verdict == "accepted"
    settle(state, 0.0)


def begin(state: LoopState) -> list[Step]:
    """Starts what may start."""
    due = steps(state)
    for step in due:
        started(state, step)
    return due


def end(state: LoopState, step: Step, outcome: Any) -> None:
    """Ends a step that was started."""
    absorb(state, step, outcome)
    settle(state, 0.0)


def kinds(state: LoopState) -> list[str]:
    return [entry.kind for entry in state.root.record.entries]


def texts(state: LoopState, kind: str) -> list[Any]:
    items = [json.loads(entry.data) for entry in state.root.record.entries if entry.kind == kind]
    return [item.get("output") or item["content"] for item in items]


def asked(agent: Agent[Any] | None = None, **options: Any) -> tuple[LoopState, Step]:
    """A run whose model is asked."""
    state = open_run(agent or Agent(name="A", tools=[tool("look"), tool("pay", needs_approval=True)]), **options)
    [step] = begin(state)
    assert isinstance(step, CallModel)
    return state, step


def called(*items: dict[str, Any], agent: Agent[Any] | None = None, **options: Any) -> LoopState:
    """A run whose model has made calls."""
    state, step = asked(agent, **options)
    end(state, step, answered(*items))
    return state


def partial(text: str) -> Any:
    return answered({**message(text), "status": "incomplete", "id": "msg_1"})


# Pausing.


def test_nothing_begins_while_a_run_is_paused_and_what_is_under_way_is_recorded() -> None:
    state, step = asked()
    assert held(state, pause).verdict == "accepted"
    end(state, step, answered(call("look")))
    assert kinds(state) == ["input", "answer"]
    assert plan(state) == []
    go_on(state)
    assert isinstance(steps(state)[0], CallTool)


def test_a_call_that_is_decided_meanwhile_begins_once_the_run_goes_on() -> None:
    state = called(call("pay"))
    held(state, pause)
    assert [type(action) for action in plan(state)] == [Wait]
    assert approve(state, "1.0") == "accepted"
    assert plan(state) == []
    go_on(state)
    assert [step.id for step in steps(state)] == ["tool.1.0"]


def test_a_paused_run_that_needs_no_further_step_ends() -> None:
    state, step = asked(Agent(name="A"))
    held(state, pause)
    end(state, step, answered(message("bye")))
    assert plan(state) == [Finish()]


def test_agents_as_tools_are_paused_too() -> None:
    inner = Agent(name="In", tools=[tool("look")])
    state = called(call("ask", '{"input": "q"}'), agent=Agent(name="A", tools=[inner.as_tool("ask", "Asks.")]))
    [step] = begin(state)
    held(state, pause)
    end(state, step, answered(call("look")))
    assert plan(state) == []
    go_on(state)
    assert [each.path for each in steps(state)] == ["1.0"]


def test_a_run_whose_agents_nobody_has_told_yet_is_paused_as_well() -> None:
    state = open_run(Agent(name="A"))
    state.snapshot = None
    held(state, pause)
    assert plan(state) == []


def test_what_is_said_while_a_run_is_paused_is_part_of_the_next_request() -> None:
    state = open_run(Agent(name="A"))
    held(state, pause)
    assert "goes on when it is resumed" in say(state, when="next_turn").explanation
    go_on(state)
    assert kinds(state) == ["input", "added"]
    assert [step.id for step in steps(state)] == ["model.1"]


def test_a_hook_that_runs_when_the_run_is_paused_does_not_hide_what_was_said() -> None:
    class Listening(RunHooks[Any]):
        async def on_agent_start(self, context: Any, agent: Any) -> None: ...

    state = open_run(Agent(name="A"), hooks=Listening())
    [hook] = begin(state)
    assert isinstance(hook, RunHook)
    held(state, pause)
    say(state, when="next_turn")
    from perdure.loop.steps import HooksRan

    end(state, hook, HooksRan())
    go_on(state)
    assert kinds(state) == ["input", "added"]
    assert [step.id for step in steps(state)] == ["model.1"]


def test_pausing_twice_and_resuming_what_goes_on_change_nothing() -> None:
    state = called(call("look"))
    assert resume(state).verdict == "repeated"
    assert [held(state, pause).verdict for _ in range(2)] == ["accepted", "repeated"]
    assert "by ana" in held(state, pause).explanation
    go_on(state)
    ended = called(message("bye"), agent=Agent(name="A"))
    assert [do(ended, ANA).verdict for do in (pause, interrupt)] == ["too late", "too late"]
    assert resume(ended).verdict == "too late"


def test_a_hold_goes_along_into_a_new_history_and_leaves_no_word_where_there_is_none() -> None:
    state = called(call("pay"))
    assert "steering" not in freeze(state)
    assert "cuts" not in freeze(state)["root"]
    held(state, pause)
    held(state, interrupt)
    again = thaw(freeze(state))
    assert (again.steering.paused, again.steering.interrupted) == (ANA, ANA)
    approve(again, "1.0")
    assert plan(again) == []


# Interrupting.


def test_a_model_is_stopped_what_it_said_stays_and_the_run_waits() -> None:
    state, step = asked()
    assert held(state, interrupt).verdict == "accepted"
    assert plan(state) == [Interrupt("model.1")]
    end(state, step, partial("It costs 5"))
    assert plan(state) == []
    [entry] = [entry for entry in state.root.record.entries if entry.kind == "interrupted"]
    assert "id" not in json.loads(entry.data)
    assert (state.root.turn, state.root.responses) == (0, [])


def test_an_interrupted_run_goes_on_with_what_it_is_told() -> None:
    state, step = asked()
    held(state, interrupt)
    end(state, step, partial("It costs 5"))
    taken = say(state, when="next_turn")
    assert "at once" in taken.explanation
    assert kinds(state) == ["input", "interrupted", "added"]
    assert [each.id for each in steps(state)] == ["model.1.1"]
    answer(state, steps(state)[0], answered(message("5 euros")))
    assert (state.root.turn, state.root.cuts, plan(state)) == (1, 0, [Finish()])


def test_what_is_told_before_the_model_has_stopped_enters_after_what_it_said() -> None:
    state, step = asked()
    held(state, interrupt)
    say(state)
    assert steps(state) == []
    end(state, step, partial("It costs 5"))
    assert kinds(state) == ["input", "interrupted", "added"]


def test_an_interrupted_run_that_is_resumed_asks_its_model_again() -> None:
    state, step = asked()
    held(state, interrupt)
    go_on(state)
    assert steps(state) == []
    end(state, step, partial("It"))
    assert [each.id for each in steps(state)] == ["model.1.1"]
    assert kinds(state) == ["input", "interrupted"]


def test_a_step_that_cost_many_workers_holds_the_run_up_until_somebody_resumes_it() -> None:
    state, step = asked()
    end(state, step, StepDeclined("lost ten times", lost_at=7.0))
    assert (state.failure, state.steering.paused) == (None, Hold(reason="lost ten times", at=7.0))
    assert plan(state) == []
    go_on(state)
    assert [each.id for each in steps(state)] == ["model.1~1"]


def test_a_run_that_was_paused_when_a_step_was_lost_stays_paused_by_whoever_that_was() -> None:
    state, step = asked()
    held(state, pause)
    end(state, step, StepDeclined("lost ten times", lost_at=7.0))
    assert state.steering.paused == ANA


@pytest.mark.parametrize(
    "outcome", [StepFailed(Failure("StepLost", "cancelled")), StepDeclined("no such agent"), answered()]
)
def test_a_stopped_model_of_which_nothing_is_known_leaves_nothing(outcome: Any) -> None:
    state, step = asked()
    held(state, interrupt)
    end(state, step, outcome)
    assert (state.failure, state.deferred, kinds(state)) == (None, {}, ["input"])
    go_on(state)
    assert [each.id for each in steps(state)] == ["model.1.1"]


def test_a_whole_answer_that_came_too_late_is_paid_for_and_only_its_words_stay() -> None:
    state, step = asked()
    held(state, interrupt)
    thoughts = {"type": "reasoning", "summary": []}
    end(state, step, answered(thoughts, message("I look"), call("look")))
    assert (state.usage.requests, state.root.calls, kinds(state)) == (1, [], ["input", "interrupted"])


def test_an_answer_that_guardrails_hold_is_stopped_as_well() -> None:
    state = open_run(Agent(name="A", input_guardrails=[beside]))
    model, guard = begin(state)
    end(state, model, answered(message("5 dollars")))
    assert state.root.stage == "holding"
    say(state)
    assert kinds(state) == ["input", "interrupted"]
    assert isinstance(guard, CheckGuardrail)
    end(state, guard, passed(guard))
    added = begin(state)
    assert [isinstance(step, CheckGuardrail) and step.added for step in added] == [True]
    end(state, added[0], passed(added[0]))
    assert [step.id for step in steps(state)] == ["model.1.1"]


def test_a_conversation_that_the_provider_keeps_is_not_left_in_doubt() -> None:
    state, step = asked(Agent(name="A", tools=[tool("look")]))
    state.root.kept = Kept(conversation_id="conv_1")
    held(state, interrupt)
    assert plan(state) == []
    end(state, step, answered(call("look")))
    assert kinds(state) == ["input", "answer"]
    assert plan(state) == []
    say(state)
    assert texts(state, "output") == [NOT_RUN]


def test_a_model_that_is_asked_again_after_a_hold_is_not_stopped_by_an_old_word() -> None:
    state, step = asked()
    held(state, interrupt)
    give_up(state, step.id)  # it had not been asked in truth
    go_on(state)
    [again] = begin(state)
    assert again.id == "model.1"
    assert plan(state) == []
    end(state, again, answered(message("bye")))
    assert plan(state) == [Finish()]


def test_all_models_of_a_tree_are_stopped_and_its_tools_end() -> None:
    inner = Agent(name="In", tools=[tool("look")])
    agent = Agent(name="A", tools=[tool("look"), inner.as_tool("ask", "Asks.")])
    state = called(call("look"), call("ask", '{"input": "q"}'), agent=agent)
    due = begin(state)
    [look] = [step for step in due if isinstance(step, CallTool)]
    [model] = [step for step in due if isinstance(step, CallModel)]
    held(state, interrupt)
    assert plan(state) == [Interrupt(model.id)]
    end(state, look, returned(state, look))
    end(state, model, partial("I th"))
    assert plan(state) == []
    go_on(state)
    assert [step.id for step in steps(state)] == ["model.1.1/1.1"]


def test_an_interrupted_run_can_be_stopped_and_a_paused_one_ends_with_its_turn() -> None:
    state, step = asked()
    held(state, interrupt)
    end(state, step, partial("It"))
    stop(state)
    settle(state, 0.0)
    assert plan(state) == [Finish()]
    paused = called(call("look"))
    [look] = begin(paused)
    held(paused, pause)
    stop(paused)
    end(paused, look, returned(paused, look))
    assert plan(paused) == [Finish()]


def test_a_session_is_told_what_was_said_before_the_stop_once() -> None:
    state, told = open_run(Agent(name="A"), session=SessionDefinition(session_id="chat")), list[bytes]()

    def serve() -> list[Step]:
        while True:
            due = begin(state)
            for step in due:
                if not isinstance(step, UseSession):
                    return due
                assert state.root.session is not None
                if step.does == "read":
                    entries = [entry._replace(digest="") for entry in state.root.record.entries]
                    end(state, step, SessionRead(Rewritten([], entries), [json.loads(each.data) for each in entries]))
                else:
                    told.extend(state.root.session.due[0].items)
                    end(state, step, SessionWritten())
            if not due:
                return []

    [step] = serve()
    say(state)
    end(state, step, partial("It costs"))
    [again] = serve()
    end(state, again, answered(message("5 euros")))
    serve()
    assert plan(state) == [Finish()]
    assert told == [entry.data for entry in state.root.record.entries]


# Saying something now, or after the tools.


def test_what_is_said_now_stops_the_model_and_is_part_of_the_next_request() -> None:
    state, step = asked()
    assert say(state).verdict == "accepted"
    assert plan(state) == [Interrupt("model.1")]
    end(state, step, partial("In dollars"))
    assert kinds(state) == ["input", "interrupted", "added"]
    assert [each.id for each in steps(state)] == ["model.1.1"]


def test_what_is_said_after_tools_lets_the_model_answer_and_its_tools_run() -> None:
    state, step = asked()
    say(state, when="after_tool")
    assert plan(state) == []
    end(state, step, answered(call("look"), call("pay")))
    [look] = begin(state)
    assert texts(state, "output") == []
    end(state, look, returned(state, look))
    assert texts(state, "output") == ["done", NOT_RUN]
    assert kinds(state)[-1] == "added"
    assert isinstance(steps(state)[0], CallModel)


@pytest.mark.parametrize("when", ["now", "after_tool"])
def test_a_decision_is_not_waited_for(when: When) -> None:
    state = called(call("pay"))
    say(state, when=when)
    assert texts(state, "output") == [NOT_RUN]
    assert kinds(state) == ["input", "answer", "output", "added"]
    assert approve(state, "1.0") == "too late"


def test_what_is_said_for_the_next_turn_waits_for_decisions() -> None:
    state = called(call("pay"))
    say(state, when="next_turn")
    assert [type(action) for action in plan(state)] == [Wait]
    assert kinds(state) == ["input", "answer"]


@pytest.mark.parametrize(("when", "runs"), [("now", 1), ("after_tool", 2)])
def test_calls_that_have_not_begun_are_made_unless_it_is_to_be_heard_now(when: When, runs: int) -> None:
    agent = Agent(name="A", tools=[tool("look")])
    state = called(call("look"), call("look", '{"x": 1}'), agent=agent, config=_one_at_a_time())
    ran = 0
    due = begin(state)
    say(state, when=when)
    while isinstance(due[0], CallTool):
        end(state, due[0], returned(state, due[0]))
        ran += 1
        due = begin(state)
    assert (ran, texts(state, "output")) == (runs, ["done", NOT_RUN] if runs == 1 else ["done", "done"])
    assert kinds(state)[-1] == "added"


def _one_at_a_time() -> RunConfig:
    from perdure.run_config import ToolExecutionConfig

    return RunConfig(tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))


def test_a_call_that_is_being_judged_is_not_made_once_that_has_ended() -> None:
    agent = Agent(name="A", tools=[tool("pay", needs_approval=lambda *_: False)])
    state = called(call("pay"), agent=agent)
    [rule] = begin(state)
    say(state)
    assert steps(state) == []
    end(state, rule, UserSaid(needs_approval=False))
    assert texts(state, "output") == [NOT_RUN]


def test_a_call_that_may_have_happened_is_asked_about_all_the_same() -> None:
    state = called(call("charge"), agent=Agent(name="A", tools=[tool("charge", effect="once")]))
    [charge] = begin(state)
    say(state)
    end(state, charge, OutcomeUnknown())
    assert [type(action) for action in plan(state)] == [Wait]
    assert kinds(state) == ["input", "answer"]


def test_a_handoff_that_has_not_begun_is_not_made() -> None:
    other = Agent(name="B")
    agent = Agent(name="A", tools=[tool("look")], handoffs=[other])
    state = called(call("look"), call("transfer_to_b"), agent=agent)
    [look] = begin(state)
    say(state)
    end(state, look, returned(state, look))
    assert (state.root.agent, texts(state, "output")) == ("A", ["done", NOT_RUN])
    assert isinstance(steps(state)[0], CallModel)


@pytest.mark.parametrize(("when", "is_heard"), [("now", True), ("after_tool", False)])
def test_a_tool_that_would_end_the_run_does_not_while_something_is_to_be_heard_now(when: When, is_heard: bool) -> None:
    agent = Agent(name="A", tools=[tool("look")], tool_use_behavior="stop_on_first_tool")
    state = called(call("look"), agent=agent)
    [look] = begin(state)
    say(state, when=when)
    end(state, look, returned(state, look))
    assert (kinds(state)[-1] == "added") is is_heard
    assert bool(unsaid(state)) is not is_heard


def test_an_agent_as_a_tool_is_left_between_its_steps() -> None:
    inner = Agent(name="In", tools=[tool("look"), tool("pay", needs_approval=True)])
    state = called(call("ask", '{"input": "q"}'), agent=Agent(name="A", tools=[inner.as_tool("ask", "Asks.")]))
    [model] = begin(state)
    end(state, model, answered(call("look"), call("pay")))
    [look] = begin(state)
    say(state)
    assert plan(state) == [action for action in plan(state) if isinstance(action, Wait)]
    assert kinds(state) == ["input", "answer"], "a tool that runs was not waited for"
    end(state, look, returned(state, look))
    assert texts(state, "output") == [NOT_ENDED]
    assert [each.id for each in steps(state)] == ["model.2"]


def test_the_model_of_an_agent_as_a_tool_is_stopped_and_the_agent_left() -> None:
    inner = Agent(name="In")
    state = called(call("ask", '{"input": "q"}'), agent=Agent(name="A", tools=[inner.as_tool("ask", "Asks.")]))
    [model] = begin(state)
    say(state)
    assert plan(state) == [Interrupt(model.id)]
    end(state, model, partial("I th"))
    assert texts(state, "output") == [NOT_ENDED]


def test_an_agent_as_a_tool_that_waits_for_a_decision_alone_is_not_waited_for() -> None:
    inner = Agent(name="In", tools=[tool("pay", needs_approval=True)])
    state = called(call("ask", '{"input": "q"}'), agent=Agent(name="A", tools=[inner.as_tool("ask", "Asks.")]))
    [model] = begin(state)
    say(state, when="after_tool")
    assert plan(state) == []
    end(state, model, answered(call("pay")))
    assert texts(state, "output") == [NOT_ENDED]
    assert kinds(state)[-1] == "added"


def test_what_the_calls_of_an_agent_that_is_left_have_changed_stays() -> None:
    from dataclasses import replace

    inner = Agent(name="In", tools=[tool("look"), tool("pay", needs_approval=True)])
    state = called(call("ask", '{"input": "q"}'), agent=Agent(name="A", tools=[inner.as_tool("ask", "Asks.")]))
    state.context = {"seen": 0}
    [model] = begin(state)
    end(state, model, answered(call("look"), call("pay")))
    [look] = begin(state)
    assert isinstance(look, CallTool)
    end(state, look, replace(returned(state, look), context_changes={"seen": 1}))
    say(state)
    assert state.context == {"seen": 1}


def test_a_message_that_is_taken_back_is_waited_for_no_more() -> None:
    state = called(call("look"), call("pay"))
    [look] = begin(state)
    say(state, when="now", name="m1")
    take(state, SentInput("m2", [], withdraw=["m1"]))
    settle(state, 0.0)
    end(state, look, returned(state, look))
    assert texts(state, "output") == ["done", NOT_RUN], "the call had been passed over by then"
    assert "added" not in kinds(state)


def test_what_waits_enters_in_the_order_in_which_it_was_said() -> None:
    state, step = asked()
    say(state, "one", "next_turn")
    say(state, "two", "now")
    end(state, step, partial("It"))
    assert texts(state, "added") == ["one", "two"]


def test_a_final_output_under_review_hears_nothing() -> None:
    state = called(message("bye"), agent=Agent(name="A", output_guardrails=[after]))
    assert [say(state, when=when, name=when).verdict for when in ("now", "after_tool", "next_turn")] == ["too late"] * 3
    assert held(state, interrupt).verdict == "too late"
    assert held(state, pause).verdict == "accepted"
    assert not any(isinstance(action, Start) for action in plan(state))
