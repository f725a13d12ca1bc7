"""The first step of a run whose client knows only an agent's name: the agents as data."""

from __future__ import annotations

from temporalio import activity

from perdure.contracts.steps import SNAPSHOT_AGENTS, SnapshotInput, SnapshotOutput
from perdure.errors import UserError
from perdure.served import AgentNotServed, ServedAgents
from perdure.settings import RunConfig
from perdure.snapshot import snapshot

from .attempts import final_error, passing_error
from .definitions import Definitions

_ATTEMPTS_FOR_A_NAME = 3  # a worker that is being replaced may come back with the agent


class SnapshotAgents:
    """Takes snapshots of the agents that this worker serves."""

    def __init__(self, served: ServedAgents, definitions: Definitions) -> None:
        self._served = served
        self._definitions = definitions

    @activity.defn(name=SNAPSHOT_AGENTS)
    async def snapshot_agents(self, wanted: SnapshotInput) -> SnapshotOutput:
        """The snapshot of the agent with this name, and of all that it leads to."""
        info = activity.info()
        try:
            agent = self._served.agent(info.workflow_id or "", wanted.agent, wanted.agent)
            taken = snapshot(agent, RunConfig.of(wanted.settings.config))
        except AgentNotServed as error:
            if info.attempt < _ATTEMPTS_FOR_A_NAME:
                raise passing_error(error, type="AgentNotServed") from None
            raise final_error(self._served, UserError(str(error))) from None
        except (UserError, TypeError) as error:
            raise final_error(self._served, error) from None
        self._definitions.remember(taken)
        return SnapshotOutput(snapshot=taken)
