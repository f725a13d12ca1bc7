"""The agents of a run as its caller has them, by key: what items and guardrail results are attributed to."""

from __future__ import annotations

from typing import Any

from perdure.agent import Agent
from perdure.contracts.told import GuardrailView
from perdure.lending import Lent
from perdure.settings import RunConfig
from perdure.snapshot import Member, members
from perdure.tool import FunctionTool


class Cast:
    """A run's agents by key.

    Those that the caller lends to the run are its own objects. Any other, as all those of a run by name, is known by
    its key alone and stands for it: one object per key.

    Args:
        start: The agent that the run was started with.
        lent: What the caller lends to the run, if it does.
    """

    def __init__(self, start: Agent[Any], lent: Lent | None = None) -> None:
        self._lent = lent
        self._stand_ins: dict[str, Agent[Any]] = {start.name: start}

    def agent(self, key: str) -> Agent[Any]:
        """The agent with this key."""
        live = self._members().get(key)
        return live.agent if live is not None else self._stand_ins.setdefault(key, Agent(name=key))

    def is_live(self, key: str) -> bool:
        """Whether this process has the agent itself."""
        return key in self._members()

    def tool(self, key: str, name: str) -> FunctionTool | None:
        """A function tool of an agent; of two with one name the last."""
        tools = reversed(self.agent(key).tools)
        return next((tool for tool in tools if isinstance(tool, FunctionTool) and tool.name == name), None)

    @property
    def config(self) -> RunConfig | None:
        """The configuration of the run, if this process has it."""
        return self._lent.config if self._lent is not None else None

    def info(self, view: GuardrailView) -> Any:
        """What a guardrail said about its judgement: the object itself, if it was made in this process, else JSON."""
        place = (view.kind, view.source, view.index, view.agent, view.call_id)
        info, told = self._lent.infos.get(place, (None, None)) if self._lent is not None else (None, None)
        return info if told is not None and told == view.output_info else view.output_info

    def _members(self) -> dict[str, Member]:
        if self._lent is None:
            return {}
        if not self._lent.members:
            self._lent.members = members(self._lent.agent, self._lent.config)
        return self._lent.members
