"""What a guardrail that trips makes of a run."""

from __future__ import annotations

from perdure.loop.records import Failure, GuardrailRecord

_TRIPWIRES = {
    "input": ("InputGuardrailTripwireTriggered", "Guardrail InputGuardrail triggered tripwire"),
    "output": ("OutputGuardrailTripwireTriggered", "Guardrail OutputGuardrail triggered tripwire"),
    "tool_input": ("ToolInputGuardrailTripwireTriggered", "Tool input guardrail ToolInputGuardrail triggered tripwire"),
    "tool_output": (
        "ToolOutputGuardrailTripwireTriggered",
        "Tool output guardrail ToolOutputGuardrail triggered tripwire",
    ),
}


def tripped(said: GuardrailRecord) -> Failure:
    """The failure of a run that a guardrail has stopped."""
    kind, text = _TRIPWIRES[said.kind]
    view = {name: getattr(said, name) for name in GuardrailRecord.__dataclass_fields__}
    return Failure(kind, text, {"guardrail": view})
