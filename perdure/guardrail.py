"""Guardrails: functions that judge what a run is given and what it answers, and may stop it.

Each runs as a step of its own, so it may use the network and the clock. A guardrail whose worker was lost runs again
(`context.attempt` counts): let it judge, not act.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeAlias, TypeVar, overload

from perdure.context import RunContextWrapper, TContext
from perdure.errors import UserError
from perdure.items import TResponseInputItem

if TYPE_CHECKING:
    from perdure.agent import Agent

_TSaid = TypeVar("_TSaid")

NOT_WHERE_PROVIDER_KEEPS = (
    "Output guardrails cannot be combined with conversation_id, previous_response_id, or auto_previous_response_id: "
    "what a guardrail rejects could not be taken out of the conversation that the provider keeps. Leave one of the two "
    "out."
)


@dataclass
class GuardrailFunctionOutput:
    """What a guardrail's function says.

    Attributes:
        output_info: Anything it wants to tell about its judgement; shown with the result. It travels as JSON.
        tripwire_triggered: Whether the run stops here.
    """

    output_info: Any
    tripwire_triggered: bool


@dataclass
class InputGuardrailResult:
    """What an input guardrail said.

    Attributes:
        guardrail: The guardrail.
        output: What its function returned.
    """

    guardrail: InputGuardrail[Any]
    output: GuardrailFunctionOutput


@dataclass
class OutputGuardrailResult:
    """What an output guardrail said.

    Attributes:
        guardrail: The guardrail.
        agent_output: The final output that it judged.
        agent: The agent that made it.
        output: What the guardrail's function returned.
    """

    guardrail: OutputGuardrail[Any]
    agent_output: Any
    agent: Agent[Any]
    output: GuardrailFunctionOutput


InputGuardrailFunction: TypeAlias = Callable[
    [RunContextWrapper[Any], "Agent[Any]", str | list[TResponseInputItem]],
    GuardrailFunctionOutput | Awaitable[GuardrailFunctionOutput],
]
OutputGuardrailFunction: TypeAlias = Callable[
    [RunContextWrapper[Any], "Agent[Any]", Any], GuardrailFunctionOutput | Awaitable[GuardrailFunctionOutput]
]


@dataclass
class InputGuardrail(Generic[TContext]):
    """Judges the input of a run, once, when it starts.

    Attributes:
        guardrail_function: A sync or async function of (context, agent, input).
        name: Its name; the function's by default.
        run_in_parallel: Whether it runs beside the first model call. `False`: the model is called once it has passed.
    """

    guardrail_function: InputGuardrailFunction
    name: str | None = None
    run_in_parallel: bool = True

    def get_name(self) -> str:
        """The guardrail's name, or its function's."""
        return self.name or function_name(self.guardrail_function)

    async def run(
        self, agent: Agent[Any], input: str | list[TResponseInputItem], context: RunContextWrapper[TContext]
    ) -> InputGuardrailResult:
        """Judges an input.

        Raises:
            UserError: The guardrail has no function, or it returns something else than a GuardrailFunctionOutput.
        """
        said = await call_guardrail(self, GuardrailFunctionOutput, context, agent, input)
        return InputGuardrailResult(guardrail=self, output=said)


@dataclass
class OutputGuardrail(Generic[TContext]):
    """Judges the final output of a run, before anyone gets it.

    Attributes:
        guardrail_function: A sync or async function of (context, agent, output).
        name: Its name; the function's by default.
    """

    guardrail_function: OutputGuardrailFunction
    name: str | None = None

    def get_name(self) -> str:
        """The guardrail's name, or its function's."""
        return self.name or function_name(self.guardrail_function)

    async def run(
        self, context: RunContextWrapper[TContext], agent: Agent[Any], agent_output: Any
    ) -> OutputGuardrailResult:
        """Judges a final output.

        Raises:
            UserError: The guardrail has no function, or it returns something else than a GuardrailFunctionOutput.
        """
        said = await call_guardrail(self, GuardrailFunctionOutput, context, agent, agent_output)
        return OutputGuardrailResult(guardrail=self, agent_output=agent_output, agent=agent, output=said)


@overload
def input_guardrail(
    func: InputGuardrailFunction, *, name: str | None = None, run_in_parallel: bool = True
) -> InputGuardrail[Any]: ...
@overload
def input_guardrail(
    func: None = None, *, name: str | None = None, run_in_parallel: bool = True
) -> Callable[[InputGuardrailFunction], InputGuardrail[Any]]: ...
def input_guardrail(
    func: InputGuardrailFunction | None = None, *, name: str | None = None, run_in_parallel: bool = True
) -> InputGuardrail[Any] | Callable[[InputGuardrailFunction], InputGuardrail[Any]]:
    """Makes an input guardrail of a sync or async function of (context, agent, input).

    Args:
        func: The function; without it the result is a decorator.
        name: Its name; the function's by default.
        run_in_parallel: Whether it runs beside the first model call, or before it.
    """

    def decorate(function: InputGuardrailFunction) -> InputGuardrail[Any]:
        return InputGuardrail(function, name or function_name(function), run_in_parallel)

    return decorate if func is None else decorate(func)


@overload
def output_guardrail(func: OutputGuardrailFunction, *, name: str | None = None) -> OutputGuardrail[Any]: ...
@overload
def output_guardrail(
    func: None = None, *, name: str | None = None
) -> Callable[[OutputGuardrailFunction], OutputGuardrail[Any]]: ...
def output_guardrail(
    func: OutputGuardrailFunction | None = None, *, name: str | None = None
) -> OutputGuardrail[Any] | Callable[[OutputGuardrailFunction], OutputGuardrail[Any]]:
    """Makes an output guardrail of a sync or async function of (context, agent, output).

    Args:
        func: The function; without it the result is a decorator.
        name: Its name; the function's by default.
    """

    def decorate(function: OutputGuardrailFunction) -> OutputGuardrail[Any]:
        return OutputGuardrail(function, name or function_name(function))

    return decorate if func is None else decorate(func)


def function_name(function: Any) -> str:
    """What a guardrail is called after: its function's name, or the class of an object that can be called."""
    return getattr(function, "__name__", None) or type(function).__name__


async def call_guardrail(guardrail: Any, wanted: type[_TSaid], *arguments: Any) -> _TSaid:
    """Calls the function of a guardrail of any kind and checks that it says something of the wanted type.

    Raises:
        UserError: The guardrail has no function, or it returns something of another type.
    """
    function = guardrail.guardrail_function
    if not callable(function):
        raise UserError(f"Guardrail function must be callable, got {function!r:.200}")
    said: Any = function(*arguments)
    said = await said if inspect.isawaitable(said) else said
    if not isinstance(said, wanted):
        raise UserError(
            f"Guardrail {guardrail.get_name()!r} returned {said!r:.200}, a {type(said).__name__}. "
            f"Return a {wanted.__name__}."
        )
    return said
