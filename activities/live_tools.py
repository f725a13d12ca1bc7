"""The live tool behind a call, as the run knows it, and the arguments of the call."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from typing import Any, NamedTuple

from perdure.blobs import BlobStore, load_blob
from perdure.contracts.steps import ToolCall
from perdure.served import AgentNotServed, ServedAgents
from perdure.snapshot import define_tool
from perdure.tool import FunctionTool

_FINGERPRINTS_KEPT = 1000


class ToolKnown(NamedTuple):
    """A tool as a run knows it."""

    name: str
    fingerprint: str


class LiveTools:
    """The function tools that this worker has."""

    def __init__(self, served: ServedAgents, blobs: BlobStore | None) -> None:
        self._served = served
        self._blobs = blobs
        self._fingerprints: OrderedDict[int, tuple[FunctionTool, str]] = OrderedDict()

    def tool(self, run_id: str, call: ToolCall) -> FunctionTool:
        """The live tool, if it is the one that the run knows.

        Raises:
            AgentNotServed: This worker has none, or one with another definition.
        """
        return self.known(run_id, call.root, call.agent, ToolKnown(call.tool, call.fingerprint))

    def known(self, run_id: str, root: str, agent: str, known: ToolKnown) -> FunctionTool:
        """The live tool of one of a run's agents, if it is the one that the run knows.

        Args:
            run_id: The run.
            root: The name of the agent that the run was started with.
            agent: The agent's key in the run's snapshot.
            known: The tool as the run knows it.

        Raises:
            AgentNotServed: This worker has none, or one with another definition.
        """
        tool = self._served.tool(run_id, root, agent, known.name)
        fingerprint = self._fingerprint(run_id, root, agent, tool)
        if fingerprint != known.fingerprint:
            raise AgentNotServed(
                f"Tool {known.name!r} of this worker has definition {fingerprint}, the run knows {known.fingerprint}: "
                "its name, description, schema, approval or effect was changed. Deploy a worker that has it as it was."
            )
        return tool

    async def arguments(self, call: ToolCall) -> str:
        """The arguments as the model wrote them."""
        if call.arguments_blob is None:
            return call.arguments
        item = await asyncio.to_thread(load_blob, call.arguments_blob, self._blobs)
        return json.loads(item)["arguments"]

    def _fingerprint(self, run_id: str, root: str, agent: str, tool: FunctionTool) -> str:
        known = self._fingerprints.get(id(tool))
        if known is not None and known[0] is tool:
            return known[1]
        among: dict[str, Any] = self._served.members(run_id, root)
        fingerprint = define_tool(tool, among[agent], among).fingerprint
        if tool.agent_tool is None:  # that of an agent as a tool names agents, whose keys are the run's own
            self._fingerprints[id(tool)] = (tool, fingerprint)
            while len(self._fingerprints) > _FINGERPRINTS_KEPT:
                self._fingerprints.popitem(last=False)
        return fingerprint
