"""The tree of errors."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from perdure import errors
from perdure.agent import Agent
from perdure.errors import (
    AgentsException,
    ContextNotPortableError,
    ConversationStateUnknown,
    DecisionConflictError,
    InputGuardrailTripwireTriggered,
    MaxTurnsExceeded,
    ModelBehaviorError,
    ModelRefusalError,
    ModelTimeoutError,
    OutputGuardrailTripwireTriggered,
    PerdureError,
    RunConflictError,
    RunFailed,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    ToolTimeoutError,
    UserError,
    describe_exception,
)
from perdure.guardrail import (
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailResult,
    OutputGuardrail,
    OutputGuardrailResult,
)
from perdure.tool_guardrails import ToolGuardrailFunctionOutput, ToolInputGuardrail, ToolOutputGuardrail

STOP = GuardrailFunctionOutput("why", tripwire_triggered=True)


def stop(*_: Any) -> Any:
    return STOP


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


def classes() -> list[type[Exception]]:
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if each.__module__ == errors.__name__]
    return [each for each in found if issubclass(each, Exception)]


def test_every_error_is_an_agents_exception_without_run_data_at_first() -> None:
    assert len(classes()) > 10
    assert all(issubclass(each, AgentsException) and each.run_data is None for each in classes())


def test_every_error_is_documented() -> None:
    assert [each.__name__ for each in classes() if not each.__doc__] == []


@pytest.mark.parametrize("kind", [ContextNotPortableError, RunConflictError, DecisionConflictError])
def test_what_the_program_can_change_is_a_user_error(kind: type[UserError]) -> None:
    error = kind("what to do")
    assert isinstance(error, UserError)
    assert (error.message, str(error)) == ("what to do", "what to do")


@pytest.mark.parametrize("kind", [MaxTurnsExceeded, ModelBehaviorError, UserError])
def test_errors_of_the_loop_have_their_message_as_a_field(kind: type[MaxTurnsExceeded]) -> None:
    assert (kind("why").message, str(kind("why"))) == ("why", "why")


def test_a_refusal_keeps_the_models_words() -> None:
    error = ModelRefusalError("I will not")
    assert (error.refusal, str(error)) == ("I will not", "Model refused to produce output: I will not")


def test_a_timeout_names_tool_and_seconds() -> None:
    error = ToolTimeoutError("look", 0.5)
    assert (error.tool_name, error.timeout_seconds, str(error)) == (
        "look",
        0.5,
        "Tool 'look' timed out after 0.5 seconds.",
    )


def test_a_model_timeout_names_the_seconds() -> None:
    error = ModelTimeoutError(3.0)
    assert (error.timeout_seconds, str(error)) == (3.0, "Model call timed out after 3 seconds.")


def test_a_trip_keeps_the_guardrails_result() -> None:
    told = InputGuardrailResult(InputGuardrail(stop), STOP)
    answered = OutputGuardrailResult(OutputGuardrail(stop), "answer", Agent(name="Support"), STOP)
    trips = InputGuardrailTripwireTriggered(told), OutputGuardrailTripwireTriggered(answered)
    assert [trip.guardrail_result for trip in trips] == [told, answered]
    assert [str(trip) for trip in trips] == [
        "Guardrail InputGuardrail triggered tripwire",
        "Guardrail OutputGuardrail triggered tripwire",
    ]


@pytest.mark.parametrize(
    ("kind", "guardrail", "text"),
    [
        (
            ToolInputGuardrailTripwireTriggered,
            ToolInputGuardrail(stop),
            "Tool input guardrail ToolInputGuardrail triggered tripwire",
        ),
        (
            ToolOutputGuardrailTripwireTriggered,
            ToolOutputGuardrail(stop),
            "Tool output guardrail ToolOutputGuardrail triggered tripwire",
        ),
    ],
)
def test_a_tools_trip_keeps_the_guardrail_and_what_it_said(kind: type[Any], guardrail: Any, text: str) -> None:
    said = ToolGuardrailFunctionOutput.raise_exception("why")
    error = kind(guardrail, said)
    assert (error.guardrail, error.output, str(error)) == (guardrail, said, text)


def test_a_conversation_in_an_unknown_state_is_an_error_of_durable_execution() -> None:
    assert issubclass(ConversationStateUnknown, PerdureError)
    assert str(ConversationStateUnknown("look at conv_1")) == "look at conv_1"


def test_the_errors_of_the_agents_sdk_are_here_under_its_names() -> None:
    theirs = pytest.importorskip("agents.exceptions")
    later = {"MCPToolCancellationError"}
    found = inspect.getmembers(theirs, inspect.isclass)
    names = {name for name, each in found if issubclass(each, theirs.AgentsException)} - later
    assert names - {each.__name__ for each in classes()} == set()


def test_every_error_is_in_the_tree() -> None:
    drawn = set(str(errors.__doc__).split())
    assert {each.__name__ for each in classes()} - drawn == set()


def test_an_error_from_elsewhere_keeps_its_type_and_traceback() -> None:
    error = RunFailed("boom", type_name="ShopClosed", traceback_text="Traceback …")
    assert (str(error), error.type_name, error.traceback_text) == ("ShopClosed: boom", "ShopClosed", "Traceback …")
    assert str(RunFailed("boom")) == "boom"


def test_an_exception_is_described_by_type_and_text() -> None:
    assert describe_exception(ValueError("boom")) == {"type": "ValueError", "message": "boom"}


def test_an_exception_without_readable_text_is_described_nevertheless() -> None:
    assert describe_exception(Unspeakable()) == {
        "type": "Unspeakable",
        "message": "<Unspeakable whose text cannot be read: RuntimeError>",
    }


def test_a_description_is_bounded_and_says_how_long_the_text_was() -> None:
    message = describe_exception(ValueError("x" * 3_000_000))["message"]
    assert message == "x" * 4096 + "… (3000000 characters in all)"


def test_a_description_holds_nothing_that_utf_8_or_a_database_refuses() -> None:
    message = describe_exception(ValueError("a\x00b\ud83dc"))["message"]
    assert message.encode() == b"a\\x00b\\ud83dc"
