"""The two sides: the modules that a scenario's names are taken from."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from types import ModuleType
from typing import Any

AGENTS, PERDURE = "agents", "perdure"

# Where the Agents SDK has the names that `agents` itself does not export.
_AGENTS_MODULES = (
    "agents", "agents.run", "agents.run_config", "agents.tool_context", "agents.handoffs", "agents.agent",
    "agents.extensions.handoff_filters", "agents.extensions.handoff_prompt", "agents.tool_guardrails",
    "agents.agent_tool_input", "agents.memory",
)  # fmt: skip

_PERDURE_MODULES = (PERDURE, "perdure.extensions.handoff_filters", "perdure.extensions.handoff_prompt")


@dataclass(frozen=True)
class Side:
    """The public names of one side."""

    name: str

    def __getattr__(self, wanted: str) -> Any:
        if wanted.startswith("__"):
            raise AttributeError(wanted)
        for module in self._modules():
            if hasattr(module, wanted):
                return getattr(module, wanted)
        raise AttributeError(f"{self.name} has no {wanted}")

    def _modules(self) -> list[ModuleType]:
        names = _AGENTS_MODULES if self.name == AGENTS else _PERDURE_MODULES
        return [importlib.import_module(name) for name in names]


def connect_agents(url: str) -> None:
    """Points the Agents SDK to the model server."""
    import agents
    from openai import AsyncOpenAI

    agents.set_tracing_disabled(True)
    client = AsyncOpenAI(base_url=url, api_key="none is needed", max_retries=0)
    agents.set_default_openai_client(client, use_for_tracing=False)


def connect_perdure(url: str) -> None:
    """Points Perdure to the model server."""
    os.environ["OPENAI_BASE_URL"] = url
    os.environ["OPENAI_API_KEY"] = "none is needed"


def disconnect_perdure() -> None:
    """Stops what Perdure runs in this process, and its server."""
    from perdure.client.host import Host
    from perdure.server import stop_server

    if Host._current is not None:
        Host._current.close()
    stop_server()
