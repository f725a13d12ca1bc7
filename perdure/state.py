"""The state of a run: where it stands, and decisions about the calls that wait."""

from __future__ import annotations

import copy
import json
from dataclasses import dataclass
from typing import Any, Generic, cast

from perdure.agent import Agent
from perdure.context import TContext
from perdure.errors import UserError
from perdure.items import ToolApprovalItem, TResponseInputItem
from perdure.settings import RunConfig
from perdure.snapshot import members
from perdure.state_context import ContextDeserializer, ContextSerializer, dump_context, load_context
from perdure.state_input import DraftInput, check_may_add

SCHEMA_VERSION = "2.0"


@dataclass(frozen=True)
class DraftDecision:
    """What a draft says about one call."""

    approve: bool
    digest: str
    always: bool = False
    reason: str | None = None


class RunState(Generic[TContext]):
    """Where a run stands, with decisions that nobody has sent yet.

    The run itself lives in Temporal and waits there; the state names it, holds the draft, and enough to go on without
    it. `Runner.run(agent, state)` sends the draft. Until then the last decision about a call wins; once sent, the first
    one does. `result.to_state()` and `from_json` make one.

    Attributes:
        run_id: The run, which is the workflow's id.
        drafts: The decisions by the run's own call id.
        inputs: What was added to it, in order.
        agent: The agent that `from_json` was given; `None`: the run has its own.
        context: The context that the run goes on with.
        context_is_given: Whether that is another one than the run's own.
    """

    def __init__(self, document: dict[str, Any], interruptions: list[ToolApprovalItem], context: Any = None) -> None:
        self._document = document
        self._interruptions = interruptions
        self.run_id: str = document["run_id"]
        self.drafts: dict[str, DraftDecision] = {}
        self.inputs: list[DraftInput] = []
        self.agent: Agent[Any] | None = None
        self.context = context
        self.context_is_given = False

    @property
    def document(self) -> dict[str, Any]:
        """The run as JSON, without drafts and context."""
        return copy.deepcopy(self._document)

    @property
    def sequence(self) -> int:
        """Of a thread: the number of the message that waits; else 0."""
        frozen: dict[str, Any] = self._document.get("frozen") or {}
        current: dict[str, Any] = frozen["thread"]["current"] if "thread" in frozen else {}
        return current.get("sequence", 0)

    def get_interruptions(self) -> list[ToolApprovalItem]:
        """The calls that wait."""
        return list(self._interruptions)

    def approve(self, approval_item: ToolApprovalItem, always_approve: bool = False) -> None:
        """Drafts an approval, of later calls of this tool in this run too if `always_approve`."""
        self._draft(approval_item, DraftDecision(True, approval_item.digest, always_approve))

    def reject(
        self, approval_item: ToolApprovalItem, always_reject: bool = False, *, rejection_message: str | None = None
    ) -> None:
        """Drafts a rejection; the model is told `rejection_message`."""
        decision = DraftDecision(False, approval_item.digest, always_reject, rejection_message)
        self._draft(approval_item, decision)

    @property
    def pending_input(self) -> list[TResponseInputItem]:
        """What is to be said before the next model request: what was sent to the run already, then what was added."""
        withdrawn = [name for each in self.inputs for name in each.withdraw]
        sent = [each for each in self._document.get("inputs", []) if each["message_id"] not in withdrawn]
        added = [vars(each) for each in self.inputs]
        return [copy.deepcopy(item) for each in [*sent, *added] for item in each["items"]]

    def add_input(self, input: str | list[TResponseInputItem]) -> None:
        """Adds input, for the next model request after the calls that wait; input guardrails judge it before that.

        Args:
            input: A message of the user, or items. Several calls keep their order.

        Raises:
            UserError: The run need not ask its model again, so the input might never be said.
        """
        check_may_add(self._document, [item.tool_name for item in self._interruptions])
        added = DraftInput.of(input)
        if added.items:
            self.inputs.append(added)

    def clear_pending_input(self) -> None:
        """Takes back what was added, also what was sent to the run already and waits there."""
        names = [each["message_id"] for each in self._document.get("inputs", [])]
        names += [name for each in self.inputs for name in (*each.withdraw, *([each.message_id] if each.items else []))]
        self.inputs = [DraftInput.withdrawing(list(dict.fromkeys(names)))] if names else []

    def _draft(self, item: ToolApprovalItem, decision: DraftDecision) -> None:
        """The last decision about a call wins; one for always is about all calls of the tool that wait beside it.

        Raises:
            UserError: The call is one of another run.
        """
        item.check_run(self.run_id)
        if decision.always:
            for other in self._interruptions:
                if _waits_beside(other, item):
                    self.drafts.pop(other.id, None)
        self.drafts[item.id] = decision

    def to_json(
        self,
        *,
        context_serializer: ContextSerializer | None = None,
        strict_context: bool = False,
        include_tracing_api_key: bool = False,
    ) -> dict[str, Any]:
        """The state as JSON, for `from_json` in any process.

        Args:
            context_serializer: Makes a mapping of a context that is none.
            strict_context: Refuse a context that is no mapping, instead of a warning.
            include_tracing_api_key: Has no effect: a run has no such key.

        Raises:
            UserError: The context cannot be part of it.
        """
        waiting = [
            {"id": item.id, "digest": item.digest, "agent": item.agent.name, "item": item.data}
            for item in self._interruptions
        ]
        return {
            "$schemaVersion": SCHEMA_VERSION,
            "interruptions": copy.deepcopy(waiting),
            **self.document,
            "drafts": {call_id: dict(vars(draft)) for call_id, draft in self.drafts.items()},
            "added": [copy.deepcopy(vars(each)) for each in self.inputs],
            "context": dump_context(self.context, context_serializer, strict=strict_context),
        }

    def to_string(
        self,
        *,
        context_serializer: ContextSerializer | None = None,
        strict_context: bool = False,
        include_tracing_api_key: bool = False,
    ) -> str:
        """`to_json` as a string."""
        return json.dumps(
            self.to_json(
                context_serializer=context_serializer,
                strict_context=strict_context,
                include_tracing_api_key=include_tracing_api_key,
            )
        )

    @classmethod
    async def from_json(
        cls,
        initial_agent: Agent[Any],
        state_json: dict[str, Any],
        *,
        context_override: Any | None = None,
        context_deserializer: ContextDeserializer | None = None,
        strict_context: bool = False,
    ) -> RunState[Any]:
        """Reads what `to_json` wrote.

        Args:
            initial_agent: The agent that the run was started with, or one that leads to those it came to.
            state_json: The JSON.
            context_override: The context to go on with.
            context_deserializer: Makes the context from what the JSON has of it.
            strict_context: Refuse a context that would come back as plain data, instead of a warning.

        Raises:
            UserError: The schema's version is missing or unknown, an agent cannot be found, or something is missing.
        """
        version = state_json.get("$schemaVersion")
        if version != SCHEMA_VERSION:
            raise UserError(f"Run state has schema version {version!r}; this version reads {SCHEMA_VERSION!r}.")
        try:
            document = copy.deepcopy(state_json)
            del document["$schemaVersion"]
            drafts = {name: DraftDecision(**draft) for name, draft in document.pop("drafts").items()}
            added = [DraftInput(**each) for each in document.pop("added", [])]
            saved = document.pop("context")
            waiting = _waiting(initial_agent, document)
            state = cls(document, waiting)
            saved = {"kind": saved["kind"], "type": saved.get("type"), "value": saved["value"]}
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"Run state cannot be read: {error!r:.200}. Give what `to_json` wrote.") from error
        state.agent, state.drafts, state.inputs = initial_agent, drafts, added
        state.context = load_context(saved, context_override, context_deserializer, strict=strict_context)
        state.context_is_given = context_override is not None or context_deserializer is not None
        return state

    @classmethod
    async def from_string(
        cls,
        initial_agent: Agent[Any],
        state_string: str,
        *,
        context_override: Any | None = None,
        context_deserializer: ContextDeserializer | None = None,
        strict_context: bool = False,
    ) -> RunState[Any]:
        """Reads what `to_string` wrote; see `from_json`."""
        try:
            state_json = json.loads(state_string)
        except ValueError as error:
            raise UserError(f"Run state cannot be read: it is no JSON ({error}).") from None
        if not isinstance(state_json, dict):
            raise UserError(f"Run state cannot be read: it is a JSON {type(state_json).__name__}, not an object.")
        return await cls.from_json(
            initial_agent,
            cast("dict[str, Any]", state_json),
            context_override=context_override,
            context_deserializer=context_deserializer,
            strict_context=strict_context,
        )


def _waits_beside(one: ToolApprovalItem, other: ToolApprovalItem) -> bool:
    """Whether two calls are of one tool in one agent's run: the outer call's id comes before a call's own."""
    return one.tool_name == other.tool_name and one.id.rpartition("/")[0] == other.id.rpartition("/")[0]


def _waiting(initial_agent: Agent[Any], document: dict[str, Any]) -> list[ToolApprovalItem]:
    """The calls that wait, each with its agent.

    Raises:
        UserError: The state's agent, or that of such a call, cannot be come to from the initial one.
    """
    known = members(initial_agent, RunConfig())

    def agent(key: str) -> Agent[Any]:
        if key not in known:
            raise UserError(
                f"Agent {key!r} of the run state cannot be found from {initial_agent.name!r}, which leads to "
                f"{', '.join(map(repr, known))}. Give the agent that the run was started with."
            )
        return known[key].agent

    agent(document["agent"])
    run_id = document["run_id"]
    return [
        ToolApprovalItem(agent(each["agent"]), each["item"], id=each["id"], digest=each["digest"], run_id=run_id)
        for each in document["interruptions"]
    ]
