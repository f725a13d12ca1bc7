"""A start for the instructions of agents that hand over to each other."""

from __future__ import annotations

RECOMMENDED_PROMPT_PREFIX = (
    "# Working with other agents\n"
    "You are one of several agents that serve the same conversation. An agent has instructions and tools, and may hand "
    "the conversation over to another agent that suits it better. To hand over, call the tool of that handoff; such "
    "tools are mostly named `transfer_to_` and then the agent. The next agent goes on where you stopped. Handing over "
    "is not visible to the user: do not announce it, and do not speak of agents or handoffs in what you say."
)


def prompt_with_handoff_instructions(prompt: str) -> str:
    """An agent's instructions with the start above."""
    return f"{RECOMMENDED_PROMPT_PREFIX}\n\n{prompt}"
