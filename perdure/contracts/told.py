"""What a run tells of its guardrails, of a conversation that the provider keeps, and of input that waits."""

from __future__ import annotations

from typing import Any, Literal

from perdure.definition import Frozen


class GuardrailView(Frozen):
    """What one guardrail said.

    Attributes:
        kind: `"input"`, `"output"`, `"tool_input"` or `"tool_output"`.
        source: Whose it is: `"agent"`, `"run"` or `"tool"`, the `index`-th there.
        agent: The agent's key.
        tool: The tool's name, for a tool's guardrail.
        call_id: The call, ours, for a tool's guardrail.
    """

    kind: Literal["input", "output", "tool_input", "tool_output"]
    source: Literal["agent", "run", "tool"]
    index: int
    name: str
    agent: str
    tool: str = ""
    call_id: str = ""
    behavior: Literal["allow", "reject", "raise"] = "allow"
    message: str = ""
    output_info: Any = None


class KeptView(Frozen):
    """What the provider keeps of a run's conversation.

    Attributes:
        conversation_id: The conversation.
        chains: Whether each request follows the answer before it.
        began_after: The answer that the run's first request followed.
    """

    conversation_id: str | None = None
    chains: bool = False
    began_after: str | None = None


class InputView(Frozen):
    """Input that was sent to a run and waits for its next model request.

    Attributes:
        withdraw: As it is sent: the ids of earlier ones that are not to be said.
        when: How soon it is to be heard.
    """

    message_id: str
    items: list[dict[str, Any]]
    by: str | None = None
    withdraw: list[str] = []
    when: str = "next_turn"
