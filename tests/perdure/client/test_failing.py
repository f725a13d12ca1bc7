"""A failed run becomes the exception that it failed with."""

from __future__ import annotations

from typing import Any

import pytest
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError, TerminatedError

from perdure import errors
from perdure.agent import Agent
from perdure.client.failing import exception_of, failed_outcome
from perdure.client.outcomes import Caller
from perdure.guardrail import GuardrailFunctionOutput, input_guardrail
from tests.perdure.client.runs import caller, failure, outcome, reached, view


@input_guardrail
def asks(context: Any, agent: Any, input: Any) -> GuardrailFunctionOutput:
    return GuardrailFunctionOutput(None, tripwire_triggered=True)


AGENT: Agent[Any] = Agent(name="A", input_guardrails=[asks])


def raised(failed: WorkflowFailureError, one: Caller | None = None, **fields: Any) -> BaseException:
    return exception_of(failed, one or caller(AGENT), reached(**fields), outcome(**fields))


@pytest.mark.parametrize(
    "kind",
    [
        errors.MaxTurnsExceeded,
        errors.ModelBehaviorError,
        errors.UserError,
        errors.ContextNotPortableError,
        errors.ConversationStateUnknown,
    ],
)
def test_an_error_of_ours_is_raised_as_itself(kind: type[Exception]) -> None:
    error = raised(failure(kind.__name__, "so it is"))
    assert type(error) is kind
    assert str(error) == "so it is"


def test_a_refusal_is_told_with_what_the_model_said() -> None:
    error = raised(failure("ModelRefusalError", "Model refused to produce output: I'd rather not"))
    assert isinstance(error, errors.ModelRefusalError)
    assert error.refusal == "I'd rather not"
    exact = raised(failure("ModelRefusalError", "…", refusal="no"))
    assert isinstance(exact, errors.ModelRefusalError)
    assert str(exact) == "Model refused to produce output: no"


def test_a_timeout_is_told_with_its_seconds() -> None:
    tool = raised(failure("ToolTimeoutError", "…", tool_name="pay", timeout_seconds=2.5))
    model = raised(failure("ModelTimeoutError", "…", timeout_seconds=9.0))
    assert isinstance(tool, errors.ToolTimeoutError)
    assert isinstance(model, errors.ModelTimeoutError)
    assert (tool.tool_name, tool.timeout_seconds, model.timeout_seconds) == ("pay", 2.5, 9.0)


def test_a_tripwire_is_raised_with_the_callers_guardrail() -> None:
    tripped = view("input", name="asks", behavior="raise").model_dump(mode="json")
    error = raised(failure("InputGuardrailTripwireTriggered", "…", guardrail=tripped))
    assert isinstance(error, errors.InputGuardrailTripwireTriggered)
    assert error.guardrail_result.guardrail is asks


def test_what_user_code_in_this_process_raised_is_the_same_object() -> None:
    one, original = caller(AGENT), KeyError("mine")
    assert one.lent is not None
    one.lent.errors.append(original)
    assert raised(failure("KeyError", "'mine'", token=0), one) is original


def test_an_error_that_user_code_led_to_has_it_as_its_cause() -> None:
    one, original = caller(AGENT), KeyError("mine")
    assert one.lent is not None
    one.lent.errors.append(original)
    error = raised(failure("UserError", "Error running tool pay: 'mine'", token=0), one)
    assert isinstance(error, errors.UserError)
    assert error.__cause__ is original


@pytest.mark.parametrize("token", [0, 7, "x", None])
def test_what_user_code_elsewhere_raised_is_told_with_its_type_and_traceback(token: Any) -> None:
    error = raised(failure("KeyError", "'mine'", token=token, traceback="Traceback …"), caller())
    assert isinstance(error, errors.RunFailed)
    assert (error.type_name, error.traceback_text, str(error)) == ("KeyError", "Traceback …", "KeyError: 'mine'")


def test_run_data_holds_the_completed_turns_only() -> None:
    error = raised(failure("MaxTurnsExceeded", "…"), settled_items=3, settled_turns=1)
    assert isinstance(error, errors.AgentsException)
    assert error.run_data is not None
    assert [item.type for item in error.run_data.new_items] == ["tool_call_item", "tool_call_output_item"]
    assert (len(error.run_data.raw_responses), error.run_data.input) == (1, "hi")
    assert error.run_data.last_agent is AGENT


def test_run_data_has_what_the_guardrails_said() -> None:
    error = raised(failure("UserError", "…"), guardrails=[view("input", name="asks"), view("output")])
    assert isinstance(error, errors.AgentsException)
    assert error.run_data is not None
    assert error.run_data.input_guardrail_results[0].guardrail is asks
    assert error.run_data.output_guardrail_results[0].agent_output == "done"


def test_a_failure_that_says_nothing_has_no_run_data() -> None:
    failed = WorkflowFailureError(cause=ApplicationError("…", type="UserError"))
    assert failed_outcome(failed) is None
    error = exception_of(failed, caller(AGENT), None, None)
    assert isinstance(error, errors.UserError)
    assert error.run_data is None


def test_a_run_that_was_ended_from_outside_says_so() -> None:
    cancelled = exception_of(WorkflowFailureError(cause=CancelledError()), caller(AGENT), None, None)
    terminated = exception_of(WorkflowFailureError(cause=TerminatedError("enough")), caller(AGENT), None, None)
    assert isinstance(cancelled, errors.RunCancelled)
    assert str(terminated) == "Run 'run-1' was terminated: enough"
