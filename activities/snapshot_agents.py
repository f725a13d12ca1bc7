"""The first step of a run whose client knows only an agent's name: the agent as data."""

from __future__ import annotations

from temporalio import activity

from perdure.contracts.run import RunSettings
from perdure.contracts.steps import SNAPSHOT_AGENTS, SnapshotInput, SnapshotOutput
from perdure.definition import snapshot
from perdure.errors import UserError
from perdure.served import AgentNotServed, ServedAgents
from perdure.settings import ModelSettings, RunConfig

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
        """The snapshot of the agent with this name."""
        info = activity.info()
        try:
            agent = self._served.agent(info.workflow_id or "", wanted.agent)
            taken = snapshot(agent, run_config(wanted.settings))
        except AgentNotServed as error:
            if info.attempt < _ATTEMPTS_FOR_A_NAME:
                raise passing_error(error, type="AgentNotServed") from None
            raise final_error(self._served, UserError(str(error))) from None
        except UserError as error:
            raise final_error(self._served, error) from None
        self._definitions.remember(taken)
        return SnapshotOutput(snapshot=taken)


def run_config(settings: RunSettings) -> RunConfig:
    """The run's configuration as far as it travels."""
    return RunConfig(
        model=settings.model,
        model_settings=ModelSettings.from_json(settings.model_settings),
        workflow_name=settings.workflow_name,
        tool_output_format=settings.tool_output_format,
        approval_timeout_seconds=settings.approval_timeout_seconds,
    )
