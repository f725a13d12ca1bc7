"""What guardrails said, as the results that the caller gets, with the caller's own guardrail objects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn, TypeVar

from perdure.client.cast import Cast
from perdure.contracts.told import GuardrailView
from perdure.errors import (
    AgentsException,
    InputGuardrailTripwireTriggered,
    OutputGuardrailTripwireTriggered,
    ToolInputGuardrailTripwireTriggered,
    ToolOutputGuardrailTripwireTriggered,
    UserError,
)
from perdure.guardrail import (
    GuardrailFunctionOutput,
    InputGuardrail,
    InputGuardrailResult,
    OutputGuardrail,
    OutputGuardrailResult,
)
from perdure.tool_guardrails import (
    ToolGuardrailFunctionOutput,
    ToolInputGuardrail,
    ToolInputGuardrailResult,
    ToolOutputGuardrail,
    ToolOutputGuardrailResult,
)

_Guardrail = TypeVar("_Guardrail", bound="InputGuardrail[Any] | OutputGuardrail[Any] | _ToolGuardrail")
_ToolGuardrail = ToolInputGuardrail[Any] | ToolOutputGuardrail[Any]


@dataclass(frozen=True, slots=True)
class GuardrailResults:
    """The results by kind, each in the order in which the guardrails were done."""

    input: list[InputGuardrailResult] = field(default_factory=list[InputGuardrailResult])
    output: list[OutputGuardrailResult] = field(default_factory=list[OutputGuardrailResult])
    tool_input: list[ToolInputGuardrailResult] = field(default_factory=list[ToolInputGuardrailResult])
    tool_output: list[ToolOutputGuardrailResult] = field(default_factory=list[ToolOutputGuardrailResult])


def guardrail_results(cast: Cast, views: list[GuardrailView], final_output: Any) -> GuardrailResults:
    """All that the guardrails said.

    Args:
        cast: The run's agents.
        views: What they said.
        final_output: What the output guardrails judged.
    """
    results = GuardrailResults()
    for view in views:
        match view.kind:
            case "input":
                results.input.append(_input_result(cast, view))
            case "output":
                results.output.append(_output_result(cast, view, final_output))
            case "tool_input":
                results.tool_input.append(
                    ToolInputGuardrailResult(_tool_input_guardrail(cast, view), _said(cast, view))
                )
            case "tool_output":
                results.tool_output.append(
                    ToolOutputGuardrailResult(_tool_output_guardrail(cast, view), _said(cast, view))
                )
    return results


def tripwire_triggered(cast: Cast, view: GuardrailView, final_output: Any) -> AgentsException:
    """The exception of the guardrail that stopped the run."""
    match view.kind:
        case "input":
            return InputGuardrailTripwireTriggered(_input_result(cast, view))
        case "output":
            return OutputGuardrailTripwireTriggered(_output_result(cast, view, final_output))
        case "tool_input":
            return ToolInputGuardrailTripwireTriggered(_tool_input_guardrail(cast, view), _said(cast, view))
        case "tool_output":
            return ToolOutputGuardrailTripwireTriggered(_tool_output_guardrail(cast, view), _said(cast, view))


def _input_result(cast: Cast, view: GuardrailView) -> InputGuardrailResult:
    agents, runs = cast.agent(view.agent).input_guardrails, cast.config.input_guardrails if cast.config else None
    guardrail = _live(runs if view.source == "run" else agents, view) or InputGuardrail(_elsewhere, view.name)
    return InputGuardrailResult(guardrail, GuardrailFunctionOutput(cast.info(view), view.behavior == "raise"))


def _output_result(cast: Cast, view: GuardrailView, final_output: Any) -> OutputGuardrailResult:
    agent = cast.agent(view.agent)
    runs = cast.config.output_guardrails if cast.config else None
    listed = runs if view.source == "run" else agent.output_guardrails
    guardrail = _live(listed, view) or OutputGuardrail(_elsewhere, view.name)
    said = GuardrailFunctionOutput(cast.info(view), view.behavior == "raise")
    return OutputGuardrailResult(guardrail, final_output, agent, said)


def _tool_input_guardrail(cast: Cast, view: GuardrailView) -> ToolInputGuardrail[Any]:
    tool = cast.tool(view.agent, view.tool)
    return _live(tool and tool.tool_input_guardrails, view) or ToolInputGuardrail(_elsewhere, view.name)


def _tool_output_guardrail(cast: Cast, view: GuardrailView) -> ToolOutputGuardrail[Any]:
    tool = cast.tool(view.agent, view.tool)
    return _live(tool and tool.tool_output_guardrails, view) or ToolOutputGuardrail(_elsewhere, view.name)


def _live(listed: Sequence[_Guardrail] | None, view: GuardrailView) -> _Guardrail | None:
    """The caller's own guardrail; `None` if it has none of that name at that place, as for a run by name."""
    found = listed[view.index] if listed and view.index < len(listed) else None
    return found if found is not None and found.get_name() == view.name else None


def _said(cast: Cast, view: GuardrailView) -> ToolGuardrailFunctionOutput:
    info = cast.info(view)
    match view.behavior:
        case "allow":
            return ToolGuardrailFunctionOutput.allow(info)
        case "reject":
            return ToolGuardrailFunctionOutput.reject_content(view.message, info)
        case "raise":
            return ToolGuardrailFunctionOutput.raise_exception(info)


def _elsewhere(*arguments: Any) -> NoReturn:
    raise UserError("This guardrail's function is in the process of the run's worker, not in this one.")
