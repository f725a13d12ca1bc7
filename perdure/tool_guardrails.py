"""Guardrails of a tool: functions that judge a call's arguments before it runs and its output after it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeAlias, TypedDict, overload

from perdure.context import TContext
from perdure.guardrail import call_guardrail, function_name

if TYPE_CHECKING:
    from perdure.agent import Agent
    from perdure.context import ToolContext


class AllowBehavior(TypedDict):
    """The call goes on as it is."""

    type: Literal["allow"]


class RejectContentBehavior(TypedDict):
    """The model is told `message`, in place of the call or of its output, and the run goes on."""

    type: Literal["reject_content"]
    message: str


class RaiseExceptionBehavior(TypedDict):
    """The run ends."""

    type: Literal["raise_exception"]


ToolGuardrailBehavior: TypeAlias = AllowBehavior | RejectContentBehavior | RaiseExceptionBehavior


def _allowing() -> ToolGuardrailBehavior:
    return AllowBehavior(type="allow")


@dataclass
class ToolGuardrailFunctionOutput:
    """What a tool guardrail's function says; made by `allow`, `reject_content` or `raise_exception`.

    Attributes:
        output_info: Anything it wants to tell about its judgement; shown with the result. It travels as JSON.
        behavior: What follows.
    """

    output_info: Any
    behavior: ToolGuardrailBehavior = field(default_factory=_allowing)

    @classmethod
    def allow(cls, output_info: Any = None) -> ToolGuardrailFunctionOutput:
        """The call goes on as it is."""
        return cls(output_info, AllowBehavior(type="allow"))

    @classmethod
    def reject_content(cls, message: str, output_info: Any = None) -> ToolGuardrailFunctionOutput:
        """The model is told `message`, in place of the call (input guardrails) or of its output."""
        return cls(output_info, RejectContentBehavior(type="reject_content", message=message))

    @classmethod
    def raise_exception(cls, output_info: Any = None) -> ToolGuardrailFunctionOutput:
        """The run ends in `ToolInputGuardrailTripwireTriggered` or `ToolOutputGuardrailTripwireTriggered`."""
        return cls(output_info, RaiseExceptionBehavior(type="raise_exception"))


@dataclass
class ToolInputGuardrailData:
    """What an input guardrail judges.

    Attributes:
        context: The call's context, with the tool's name and the arguments as the model wrote them.
        agent: The agent that made the call.
    """

    context: ToolContext[Any]
    agent: Agent[Any]


@dataclass
class ToolOutputGuardrailData(ToolInputGuardrailData):
    """What an output guardrail judges.

    Attributes:
        output: What the tool returned, or the text that the model would be told of its failure.
    """

    output: Any


@dataclass
class ToolInputGuardrailResult:
    """What a tool's input guardrail said.

    Attributes:
        guardrail: The guardrail.
        output: What its function returned.
    """

    guardrail: ToolInputGuardrail[Any]
    output: ToolGuardrailFunctionOutput


@dataclass
class ToolOutputGuardrailResult:
    """What a tool's output guardrail said.

    Attributes:
        guardrail: The guardrail.
        output: What its function returned.
    """

    guardrail: ToolOutputGuardrail[Any]
    output: ToolGuardrailFunctionOutput


ToolInputGuardrailFunction: TypeAlias = Callable[
    [ToolInputGuardrailData], ToolGuardrailFunctionOutput | Awaitable[ToolGuardrailFunctionOutput]
]
ToolOutputGuardrailFunction: TypeAlias = Callable[
    [ToolOutputGuardrailData], ToolGuardrailFunctionOutput | Awaitable[ToolGuardrailFunctionOutput]
]


@dataclass
class ToolInputGuardrail(Generic[TContext]):
    """Judges a tool call before it runs.

    Attributes:
        guardrail_function: A sync or async function of a `ToolInputGuardrailData`.
        name: Its name; the function's by default.
    """

    guardrail_function: ToolInputGuardrailFunction
    name: str | None = None

    def get_name(self) -> str:
        """The guardrail's name, or its function's."""
        return self.name or function_name(self.guardrail_function)

    async def run(self, data: ToolInputGuardrailData) -> ToolGuardrailFunctionOutput:
        """Judges a call.

        Raises:
            UserError: The guardrail has no function, or it returns something else than ToolGuardrailFunctionOutput.
        """
        return await call_guardrail(self, ToolGuardrailFunctionOutput, data)


@dataclass
class ToolOutputGuardrail(Generic[TContext]):
    """Judges the output of a tool call.

    Attributes:
        guardrail_function: A sync or async function of a `ToolOutputGuardrailData`.
        name: Its name; the function's by default.
    """

    guardrail_function: ToolOutputGuardrailFunction
    name: str | None = None

    def get_name(self) -> str:
        """The guardrail's name, or its function's."""
        return self.name or function_name(self.guardrail_function)

    async def run(self, data: ToolOutputGuardrailData) -> ToolGuardrailFunctionOutput:
        """Judges an output.

        Raises:
            UserError: The guardrail has no function, or it returns something else than ToolGuardrailFunctionOutput.
        """
        return await call_guardrail(self, ToolGuardrailFunctionOutput, data)


@overload
def tool_input_guardrail(func: ToolInputGuardrailFunction, *, name: str | None = None) -> ToolInputGuardrail[Any]: ...
@overload
def tool_input_guardrail(
    func: None = None, *, name: str | None = None
) -> Callable[[ToolInputGuardrailFunction], ToolInputGuardrail[Any]]: ...
def tool_input_guardrail(
    func: ToolInputGuardrailFunction | None = None, *, name: str | None = None
) -> ToolInputGuardrail[Any] | Callable[[ToolInputGuardrailFunction], ToolInputGuardrail[Any]]:
    """Makes a tool's input guardrail of a sync or async function of a `ToolInputGuardrailData`.

    Args:
        func: The function; without it the result is a decorator.
        name: Its name; the function's by default.
    """

    def decorate(function: ToolInputGuardrailFunction) -> ToolInputGuardrail[Any]:
        return ToolInputGuardrail(function, name or function_name(function))

    return decorate if func is None else decorate(func)


@overload
def tool_output_guardrail(
    func: ToolOutputGuardrailFunction, *, name: str | None = None
) -> ToolOutputGuardrail[Any]: ...
@overload
def tool_output_guardrail(
    func: None = None, *, name: str | None = None
) -> Callable[[ToolOutputGuardrailFunction], ToolOutputGuardrail[Any]]: ...
def tool_output_guardrail(
    func: ToolOutputGuardrailFunction | None = None, *, name: str | None = None
) -> ToolOutputGuardrail[Any] | Callable[[ToolOutputGuardrailFunction], ToolOutputGuardrail[Any]]:
    """Makes a tool's output guardrail of a sync or async function of a `ToolOutputGuardrailData`.

    Args:
        func: The function; without it the result is a decorator.
        name: Its name; the function's by default.
    """

    def decorate(function: ToolOutputGuardrailFunction) -> ToolOutputGuardrail[Any]:
        return ToolOutputGuardrail(function, name or function_name(function))

    return decorate if func is None else decorate(func)
