"""Workflow and activities: one input and one output for each step."""

from __future__ import annotations

from typing import Any, Literal

from perdure.contracts.run import RunSettings
from perdure.contracts.said import (
    BuiltInput,
    ChosenOutput,
    EditedHistory,
    FunctionResult,
    HandedOff,
    HandledError,
    Output,
    Rewrite,
    TranscriptName,
)
from perdure.contracts.tokens import Tokens
from perdure.definition import Frozen, Snapshot
from perdure.limits import MAX_ITEM_BYTES
from perdure.roles import Role

SNAPSHOT_AGENTS = "snapshot_agents"
CALL_MODEL = "call_model"
CALL_TOOL = "tool."  # followed by the tool's name
CHECK_GUARDRAIL = "guardrail."  # followed by the guardrail's name
RUN_HOOK = "hook."  # followed by the event, by its name among the run's hooks
CALL_USER = "call."  # followed by the role

# Types of activity failures that the workflow tells apart.
STEP_DECLINED = "StepDeclined"  # the worker did not do the step, certainly
KEY_MISSING = "EncryptionKeyMissing"  # of a workflow task, too: it waits for a worker with the key
ATTEMPT_LOST = "AttemptLost"  # the worker's own end interrupted it
BLOB_STORE_DOWN = "BlobStoreDown"  # what came of it could not be kept

GuardrailKind = Literal["input", "output", "tool_input", "tool_output"]
GuardrailSource = Literal["agent", "run", "tool"]


class SnapshotInput(Frozen):
    """Which agent to take the snapshot of, under which settings."""

    agent: str
    settings: RunSettings


class SnapshotOutput(Frozen):
    """The agents as data."""

    snapshot: Snapshot


class StepInput(Frozen):
    """What every step that meets the user's code is told.

    Attributes:
        root: The name of the agent that the run was started with; the others are found from it.
        agent: The active agent's key in the snapshot.
        path: Which agent as a tool runs: the id of the call that it answers; empty for the run itself.
        opened_by: For an agent as a tool: the key of the agent that called, and the tool's name.
        turn: The turn that the step belongs to.
        context: The user's context, where functions of the user get it.
        tool_input: For an agent as a tool: the arguments that it was called with. `message_id`: Of a thread's message.
    """

    root: str
    agent: str
    path: str = ""
    opened_by: tuple[str, str] | None = None
    turn: int = 0
    context: dict[str, Any] | None = None
    usage: Tokens | None = None
    tool_input: Any = None
    message_id: str = ""


class Cursor(Frozen):
    """A conversation by its chain's digests: `count` items up to `digest`, of which the first `base_count` are known.

    Attributes:
        origin: The digest before the first item.
        base: The digest after `base_count` items.
        start: How many items from the first on the model does not get: the provider keeps them.
        epoch: Which of the run's transcripts it is.
    """

    origin: str
    digest: str
    count: int
    base: str
    base_count: int
    start: int = 0
    epoch: int = 0


class CallModelInput(StepInput):
    """One model call.

    Attributes:
        definition: The digest of the agent's definition.
        cursor: The conversation; `items` are those after its base.
        forget_tool_choice: Send no `tool_choice`: the agent has used a tool.
        llm_hooks: Whether hooks listen to the call's start or end.
        filters_input: Whether a function edits the request.
        omit_reasoning_ids: Whether reasoning items after the first `input_count` items go without their ids.
        previous_response_id, conversation_id: What the provider keeps the conversation by.
        cuts: How often the model was stopped in this turn before.
        answers: For an agent as a tool whose run somebody listens to: the call that it answers, in stored form.
    """

    definition: str
    cursor: Cursor
    items: list[dict[str, Any]]
    forget_tool_choice: bool = False
    llm_hooks: bool = False
    filters_input: bool = False
    omit_reasoning_ids: bool = False
    input_count: int = 0
    previous_response_id: str | None = None
    conversation_id: str | None = None
    prompt_cache_key: str | None = None
    cuts: int = 0
    answers: dict[str, Any] | None = None


class CallModelOutput(Frozen):
    """A model's answer.

    Attributes:
        items: In stored form.
        disabled: The tools and handoffs, by name, that were switched off when it was asked.
        invalid_output: Why the last message is not of the agent's output type; `None` if it is.
        context_changes: What the functions of the user changed in the context.
        raw_usage: What the provider itself reported, where the settings ask for it.
    """

    items: list[dict[str, Any]]
    usage: Tokens
    response_id: str | None = None
    request_id: str | None = None
    disabled: list[str] = []
    invalid_output: str | None = None
    context_changes: dict[str, Any] = {}
    raw_usage: dict[str, Any] | None = None


class ToolCall(StepInput):
    """One call of a tool.

    Attributes:
        call_id: Ours; `model_call_id` is the model's.
        fingerprint: The tool's definition in the snapshot; of a handoff, what it takes as input.
        arguments: As the model wrote them; empty if they lie in the blob store under `arguments_blob`.
        idempotency_key: The same over attempts, crashes and workers.
        output_bytes: How much of its output's text the model may see.
        end_hook: Whether `on_tool_end` is called here; not where output guardrails come first.
    """

    call_id: str
    model_call_id: str
    tool: str
    fingerprint: str = ""
    arguments: str = ""
    arguments_blob: str | None = None
    output_format: Literal["json", "str"] = "json"
    output_bytes: int = MAX_ITEM_BYTES
    idempotency_key: str = ""
    end_hook: bool = True


class CallToolOutput(Frozen):
    """A tool's output as the item that answers the call, and the context's fields that it changed.

    Attributes:
        is_value: Whether the output's text is the JSON of a value.
        is_object: Whether it is the JSON of an object of the user's; `effect`: the key of the effect that it had.
    """

    item: dict[str, Any]
    is_value: bool = False
    is_object: bool = False
    context_changes: dict[str, Any] = {}
    effect: str = ""


class GuardrailInput(StepInput):
    """One question to a guardrail: may this pass?

    Attributes:
        source: Whose guardrail it is, the `index`-th there.
        cursor: For an input guardrail: the input; `items` are those after the cursor's base.
        input_is_text: Whether that input was given as a text.
        output: What an output guardrail is asked about.
        call: The call that a tool's guardrail is asked about.
    """

    kind: GuardrailKind
    source: GuardrailSource
    index: int
    name: str = ""
    cursor: Cursor | None = None
    items: list[dict[str, Any]] = []
    input_is_text: bool = False
    output: Output | None = None
    call: ToolCall | None = None


class GuardrailOutput(Frozen):
    """What a guardrail says.

    Attributes:
        behavior: `"allow"`, `"reject"` (tools only: the model gets `message` instead), or `"raise"`: the run ends.
        output_info: What it said about it, as JSON; text where it is none.
    """

    behavior: Literal["allow", "reject", "raise"]
    message: str = ""
    output_info: Any = None
    context_changes: dict[str, Any] = {}


class HookInput(StepInput):
    """One event for the hooks of the run and of the agent.

    Attributes:
        event: As the run's hooks name it.
        cursor: The items that the turn's model call gets, for the start and end of an agent.
        output: The final output, or the tool's.
        other: The other agent's key, where one hands off.
        call: The call, for a tool's events.
    """

    event: str
    cursor: Cursor | None = None
    items: list[dict[str, Any]] = []
    output: Output | None = None
    other: str = ""
    call: ToolCall | None = None


class CallUserInput(StepInput):
    """One call of a function of the user, by its role.

    Attributes:
        call: The tool call that it is about, or, for a handoff, the handoff's call (`tool` is its tool's name).
        error: What happened: the text of a failure, or the default text that a formatter may replace.
        error_kind: For a formatter `"approval_rejected"` or `"tool_not_found"`; for an error handler the error's kind;
            for a failure function the error's class name.
        results: For `tool_use_behavior`: the turn's function results, in call order, `(tool, output item, is value)`.
        transcript: Which transcript it needs, if it needs one: path and epoch, asked of the run.
        new_from: For a handoff's filter: the place of the first item of this turn.
        output: For an output extractor: the nested run's final output.
        nest: For a handoff's filter: nest the history instead.
        input_is_text: Whether the run's input counts as given as a text.
        rewrite: For a handoff's filter where older items are sealed: the edit is carried out by the step.
    """

    role: Role
    call: ToolCall | None = None
    error: str = ""
    error_kind: str = ""
    results: list[FunctionResult] = []
    transcript: TranscriptName | None = None
    new_from: int = 0
    output: Output | None = None
    nest: bool = False
    input_is_text: bool = False
    rewrite: Rewrite | None = None


class CallUserOutput(Frozen):
    """What a function of the user said; the field of its role is set.

    Attributes:
        needs_approval: `needs_approval`.
        text: `tool_error_formatter` (`None`: the default text holds), `failure_error_function` (`None`: the failure
            stands).
        output: `custom_output_extractor`.
    """

    needs_approval: bool = False
    text: str | None = None
    built: BuiltInput | None = None
    output: Output | None = None
    chosen: ChosenOutput | None = None
    handed_off: HandedOff | None = None
    edited: EditedHistory | None = None
    handled: HandledError | None = None
    context_changes: dict[str, Any] = {}


class HookOutput(Frozen):
    """What hooks changed in the context."""

    context_changes: dict[str, Any] = {}
