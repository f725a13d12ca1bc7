"""Workflow and activities: one input and one output for each step."""

from __future__ import annotations

from typing import Any, Literal

from perdure.contracts.run import RunSettings, Tokens
from perdure.definition import Frozen, Snapshot

SNAPSHOT_AGENTS = "snapshot_agents"
CALL_MODEL = "call_model"
CALL_TOOL = "tool."  # followed by the tool's name
JUDGE_CALL = "call.needs_approval"

# Types of activity failures that the workflow tells apart.
STEP_DECLINED = "StepDeclined"  # the worker did not do the step, certainly
ATTEMPT_LOST = "AttemptLost"  # the worker's own end interrupted it


class SnapshotInput(Frozen):
    """Which agent to take the snapshot of, under which settings."""

    agent: str
    settings: RunSettings


class SnapshotOutput(Frozen):
    """The agents as data."""

    snapshot: Snapshot


class Cursor(Frozen):
    """A conversation by its chain's digests: `count` items up to `digest`, of which the first `base_count` are known.

    Attributes:
        origin: The digest before the first item.
        base: The digest after `base_count` items.
    """

    origin: str
    digest: str
    count: int
    base: str
    base_count: int


class CallModelInput(Frozen):
    """One model call.

    Attributes:
        agent: The agent's key in the snapshot; `definition` is its digest.
        cursor: The conversation; `items` are those after its base.
        forget_tool_choice: Send no `tool_choice`: the agent has used a tool.
        context: The user's context, where functions of the user are evaluated.
    """

    agent: str
    definition: str
    turn: int
    cursor: Cursor
    items: list[dict[str, Any]]
    forget_tool_choice: bool = False
    context: dict[str, Any] | None = None
    usage: Tokens | None = None


class CallModelOutput(Frozen):
    """A model's answer: items in stored form, and the tools that were switched off when it was asked."""

    items: list[dict[str, Any]]
    usage: Tokens
    response_id: str | None = None
    request_id: str | None = None
    disabled: list[str] = []


class ToolCall(Frozen):
    """One call of a tool.

    Attributes:
        call_id: Ours; `model_call_id` is the model's.
        fingerprint: The tool's definition in the snapshot.
        arguments: As the model wrote them; empty if they lie in the blob store under `arguments_blob`.
        idempotency_key: The same over attempts, crashes and workers.
    """

    call_id: str
    model_call_id: str
    agent: str
    tool: str
    fingerprint: str
    arguments: str = ""
    arguments_blob: str | None = None
    output_format: Literal["json", "str"] = "json"
    idempotency_key: str = ""
    context: dict[str, Any] | None = None
    usage: Tokens | None = None


class CallToolOutput(Frozen):
    """A tool's output as the item that answers the call, and the context's fields that it changed.

    Attributes:
        is_value: Whether the output's text is the JSON of a value.
    """

    item: dict[str, Any]
    is_value: bool = False
    context_changes: dict[str, Any] = {}


class JudgeCallOutput(Frozen):
    """Whether a call waits for a decision."""

    needs_approval: bool
