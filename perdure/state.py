"""A draft of decisions about a run that waits for approval."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Generic

from perdure.agent import Agent
from perdure.context import RunContextWrapper, TContext
from perdure.errors import UserError
from perdure.items import ToolApprovalItem
from perdure.result import RunResult
from perdure.usage import Usage

SCHEMA_VERSION = "1.0"


@dataclass(frozen=True)
class DraftDecision:
    """What a draft says about one call."""

    approve: bool
    digest: str
    always: bool = False
    reason: str | None = None


class RunState(Generic[TContext]):
    """A run that waits, with decisions that nobody has sent yet.

    The run itself lives in Temporal and waits there; the state names it and holds the draft. Until it is sent with
    `Runner.run(agent, state)`, the last decision about a call wins; once sent, the first one does.
    """

    def __init__(self, result: RunResult) -> None:
        self.result = result
        self.drafts: dict[str, DraftDecision] = {}

    @property
    def run_id(self) -> str:
        """The run, which is the workflow's id."""
        return self.result.run_id

    def get_interruptions(self) -> list[ToolApprovalItem]:
        """The calls that wait."""
        return list(self.result.interruptions)

    def approve(self, approval_item: ToolApprovalItem, always_approve: bool = False) -> None:
        """Drafts an approval, of later calls of this tool in this run too if `always_approve`."""
        self.drafts[approval_item.id] = DraftDecision(True, approval_item.digest, always_approve)

    def reject(
        self, approval_item: ToolApprovalItem, always_reject: bool = False, *, rejection_message: str | None = None
    ) -> None:
        """Drafts a rejection; the model is told `rejection_message`."""
        self.drafts[approval_item.id] = DraftDecision(False, approval_item.digest, always_reject, rejection_message)

    def to_json(self) -> dict[str, Any]:
        """The state as JSON; `from_json` reads it in any process that reaches the same Temporal namespace."""
        waiting = [{"id": item.id, "digest": item.digest, "item": item.data} for item in self.result.interruptions]
        return {
            "$schemaVersion": SCHEMA_VERSION,
            "run_id": self.run_id,
            "agent": self.result.last_agent.name,
            "interruptions": waiting,
            "drafts": {call_id: dict(vars(draft)) for call_id, draft in self.drafts.items()},
        }

    def to_string(self) -> str:
        """`to_json` as a string."""
        return json.dumps(self.to_json())

    @classmethod
    def from_json(cls, initial_agent: Agent[Any], state_json: dict[str, Any]) -> RunState[Any]:
        """Reads what `to_json` wrote.

        Raises:
            UserError: The schema's version is missing or unknown, the agent is another one, or something is missing.
        """
        version = state_json.get("$schemaVersion")
        if version != SCHEMA_VERSION:
            raise UserError(f"Run state has schema version {version!r}; this version reads {SCHEMA_VERSION!r}.")
        try:
            return cls._read(initial_agent, state_json)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"Run state cannot be read: {error!r:.200}. Give what `to_json` wrote.") from error

    @classmethod
    def _read(cls, initial_agent: Agent[Any], state_json: dict[str, Any]) -> RunState[Any]:
        if state_json["agent"] != initial_agent.name:
            raise UserError(f"Agent {state_json['agent']!r} of the run state is not {initial_agent.name!r}.")
        waiting = [
            ToolApprovalItem(initial_agent, each["item"], id=each["id"], digest=each["digest"])
            for each in state_json["interruptions"]
        ]
        result = RunResult(
            input=[],
            new_items=[],
            raw_responses=[],
            last_agent=initial_agent,
            context_wrapper=RunContextWrapper(None, Usage()),
            interruptions=waiting,
            run_id=state_json["run_id"],
        )
        state = cls(result)
        state.drafts = {call_id: DraftDecision(**draft) for call_id, draft in state_json["drafts"].items()}
        return state

    @classmethod
    def from_string(cls, initial_agent: Agent[Any], state_string: str) -> RunState[Any]:
        """Reads what `to_string` wrote."""
        return cls.from_json(initial_agent, json.loads(state_string))
