"""Agents' definitions as runs fixed them, by digest: from memory, else asked of the run."""

from __future__ import annotations

from collections import OrderedDict

from temporalio.client import Client

from perdure.contracts.run import RunInput
from perdure.definition import AgentDefinition, Snapshot

from .asking import ask
from .attempts import Unavailable

_KEPT = 1000


class Definitions:
    """The definitions that this worker has met."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._by_digest: OrderedDict[str, AgentDefinition] = OrderedDict()

    def remember(self, snapshot: Snapshot) -> None:
        """Keeps the definitions of a snapshot."""
        for definition in snapshot.agents.values():
            self._by_digest[definition.digest] = definition
            self._by_digest.move_to_end(definition.digest)
        while len(self._by_digest) > _KEPT:
            self._by_digest.popitem(last=False)

    async def definition(self, workflow_id: str, run_id: str, digest: str) -> AgentDefinition:
        """The definition with this digest.

        Raises:
            Unavailable: `DefinitionUnavailable` if the run did not tell it; worth another attempt.
        """
        if digest not in self._by_digest:
            await self._ask(workflow_id, run_id)
        if digest not in self._by_digest:
            raise Unavailable(f"The run has no agent with definition {digest}.", type="DefinitionUnavailable")
        return self._by_digest[digest]

    async def _ask(self, workflow_id: str, run_id: str) -> None:
        handle = self._client.get_workflow_handle(workflow_id, run_id=run_id)
        try:
            answer = await ask(handle, "definition", RunInput)
        except Exception as error:  # whatever the reason, another attempt may get it
            text = f"The run did not tell its agents: {error}"
            raise Unavailable(text, type="DefinitionUnavailable") from error
        if answer.snapshot is not None:
            self.remember(answer.snapshot)
