"""Client and workflow: what starts a run, what it ends with, what it answers while it runs."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError
from temporalio.common import RawValue

from perdure.canonical import canonical
from perdure.contracts.tokens import RequestTokens, Tokens
from perdure.contracts.told import GuardrailView, InputView, KeptView
from perdure.definition import Frozen, SessionDefinition, Snapshot
from perdure.encryption import is_rejected, reason
from perdure.errors import UserError
from perdure.limits import (
    CARRIED_BYTES,
    FEWEST_HISTORY_EVENTS,
    FEWEST_TOOL_OUTPUT_BYTES,
    HISTORY_EVENTS,
    MAX_ITEM_BYTES,
    MAX_TRACE_METADATA_BYTES,
)
from perdure.settings import LONGEST_APPROVAL_SECONDS

ENGINE = 1  # the loop's version: a run keeps the one that it was started with


def _bounded(metadata: dict[str, Any] | None) -> dict[str, Any] | None:
    try:
        size = len(canonical(metadata))
    except UserError as error:
        raise ValueError(error.message) from None
    if size > MAX_TRACE_METADATA_BYTES:
        raise ValueError(f"{size} bytes as JSON; at most {MAX_TRACE_METADATA_BYTES} can travel")
    return metadata


class RunSettings(Frozen):
    """What of `RunConfig` travels.

    Attributes:
        config: Where the client knows an agent's name alone: the configuration's values, as `RunConfig.to_json` gives.
        group_id: Links runs that belong together; providers keep one prompt cache for them.
        history_events: How long a history may grow before the run goes on in a new one.
        trace_metadata: For traces, as `trace_id`, `tracing_disabled` and `trace_include_sensitive_data`.
        tool_output_bytes: How much of a tool's output the model may see.
    """

    config: dict[str, Any] = {}
    workflow_name: str = Field(default="Agent workflow", max_length=4000)
    group_id: str | None = Field(default=None, max_length=4000)
    tool_output_format: Literal["json", "str"] = "json"
    approval_timeout_seconds: float = Field(default=30 * 24 * 3600.0, gt=0, le=LONGEST_APPROVAL_SECONDS)
    history_events: int = Field(default=HISTORY_EVENTS, ge=FEWEST_HISTORY_EVENTS)
    tool_output_bytes: int = Field(default=MAX_ITEM_BYTES, ge=FEWEST_TOOL_OUTPUT_BYTES, le=MAX_ITEM_BYTES)
    trace_id: str | None = Field(default=None, max_length=1000)
    trace_metadata: Annotated[dict[str, Any] | None, AfterValidator(_bounded)] = None
    tracing_disabled: bool = False
    trace_include_sensitive_data: bool = False  # once true, when nothing was traced

    @property
    def chosen(self) -> dict[str, Any]:
        """Those that are not as by default, but for `config`."""
        return self.model_dump(mode="json", exclude_defaults=True, exclude={"config"})

    @property
    def carried_bytes(self) -> int:
        """How much of a transcript a new history is given; in proportion to the history's length."""
        return CARRIED_BYTES * min(self.history_events, HISTORY_EVENTS) // HISTORY_EVENTS


class ThreadStart(Frozen):
    """How a thread begins; `agents` names the snapshot."""

    agents: str = Field(default="", max_length=64)


class RunInput(Frozen):
    """A run's state at its start: the only argument of the workflow `AgentRun`.

    Attributes:
        agent: The agent's name.
        snapshot: The agents, where the client has them; else a worker's first step takes it.
        input: The conversation so far, in stored form.
        input_is_text: Whether the input was given as a text.
        max_turns: `None` for no limit.
        context: The user's context as JSON, top-level fields.
        previous_response_id: The provider keeps the conversation up to this answer.
        auto_previous_response_id: The provider keeps the conversation from this run's first answer on.
        conversation_id: The provider keeps the conversation under this id.
        session: What the run remembers, and tells what is said.
        thread: Makes it a thread, whose messages come by update; it begins without one.
        state: The state of another run, or of the execution before, which this one goes on from; the fields above but
            `agent` do not count then.
        ignored: What was said to the execution before and changed nothing.
        goal: What the run is for, in the words of its input, where the execution before has sealed that.
    """

    engine: int = ENGINE
    agent: str
    snapshot: Snapshot | None = None
    input: list[dict[str, Any]] = []
    input_is_text: bool = False
    max_turns: int | None = 10
    context: dict[str, Any] | None = None
    settings: RunSettings = RunSettings()
    previous_response_id: str | None = None
    auto_previous_response_id: bool = False
    conversation_id: str | None = None
    session: SessionDefinition | None = None
    thread: ThreadStart | None = None
    state: dict[str, Any] | None = None
    ignored: list[str] = []
    goal: str = ""


def read_input(value: Any) -> RunInput:
    """The run's input in whatever a workflow was started with.

    Raises:
        UserError: It is none; the text says what is wrong with it.
    """
    unread = "AgentRun was started with an input that it cannot read"
    if isinstance(value, RawValue) and is_rejected(value.payload):
        raise UserError(f"{unread}: {reason(value.payload)}")
    try:
        run = RunInput.model_validate(value)
    except ValidationError as error:
        raise UserError(f"{unread}: {problems_of(error)}") from None
    if run.state is None and run.thread is None and "input" not in run.model_fields_set:
        raise UserError(f"{unread}: input: Field required")
    if run.snapshot is not None:
        run.snapshot.check()
    return run


def problems_of(error: ValidationError) -> str:
    """The first problems that a validation found, in a line."""
    found = [f"{'.'.join(map(str, each['loc'])) or 'value'}: {each['msg']}" for each in error.errors()[:3]]
    return "; ".join(found)[:300]


class PageRequest(Frozen):
    """Which items of a transcript are wanted: from (inclusive) to upto (exclusive).

    Attributes:
        path: Of which agent as a tool; empty for the run itself.
        epoch: Which transcript; `None` for what was said as a whole, the record.
        history: Instead of that, what a thread keeps of its conversation.
    """

    path: str = ""
    epoch: int | None = None
    start: int = 0
    upto: int | None = None
    history: bool = False


EntryKind = Literal["input", "answer", "output", "value", "handoff", "handed_off", "added", "interrupted"]


class PageEntry(Frozen):
    """One item of the transcript.

    Attributes:
        kind: Input, part of a model's answer, a tool's output, one that is a value's JSON, the call of a handoff, the
            output of a handoff, input that was added while the run was under way, or what a model had said when it was
            interrupted, which is no answer.
        agent: The key of the agent whose item it is.
        target: For a handoff's output: the key of the agent that took over.
        whole: The item with the whole output, where the model is shown less of it; set where it is read.
    """

    item: dict[str, Any]
    kind: EntryKind
    agent: str
    turn: int
    target: str = ""
    whole: dict[str, Any] | None = None


class ResponseView(Frozen):
    """One accepted answer of a model: its items in stored form, unless they are `count` items from `first` on."""

    turn: int
    agent: str
    first: int
    count: int
    usage: Tokens
    response_id: str | None = None
    request_id: str | None = None
    items: list[dict[str, Any]] | None = None
    raw_usage: dict[str, Any] | None = None


class ChunkView(Frozen):
    """Sealed items: where they lie, how many they are, how many of them are input, the chain's digest after them."""

    sha256: str
    count: int
    digest: str
    inputs: int = 0


class TranscriptPage(Frozen):
    """Some of a transcript's items; `count` and `digest` are those of the whole.

    Attributes:
        sealed: Instead of entries and responses: the chunks in the blob store that hold them, from `first` on.
        epoch: Which transcript it is; another one than before means that the conversation was edited meanwhile.
        before: The chain's digest before the first entry.
        settled_turns: The turns that are completed, in an answer to a query: what an open turn with a handoff did may
            still be edited. `None`: all are.
        given: Of a thread: how many items from the first on were said before its message, and are its input.
    """

    epoch: int = 0
    first: int
    sealed: list[ChunkView] = []
    entries: list[PageEntry]
    responses: list[ResponseView]
    count: int
    before: str
    digest: str
    settled_turns: int | None = None
    given: int = 0


class RunOutcome(Frozen):
    """How a run ended, or how far it came: the workflow's result, and the first detail of its failure.

    Attributes:
        final_output: The answer's text; not set if it lies in the transcript's last message.
        final_item: The item whose text the answer is, where that is too long to be told.
        final_kind: `"text"`; `"typed"`: the text is JSON of the agent's output type; `"value"`: JSON of any value;
            `"object"`: of one that a tool made, which may be of the agent's output type.
        agent: The key of the agent that was active at the end.
        input_is_text: Whether the run's input counts as given as a text.
        settled_items: How many items belong to turns that were completed; `settled_turns` are those turns.
        requests: Tokens of each model call of the run and its agents as tools, in order: input, output, cached,
            reasoning; the last few thousand.
        shown_epoch: Where handoffs edited what the model gets: the transcript that it got; else the record's.
        kept: What the provider keeps of the conversation, if anything.
        omits_reasoning_ids: Whether requests leave the ids of reasoning items out.
        max_turns: The run's limit; `None` for none.
        inputs: What was sent to the run and did not come to its model any more.
        settings: What of the run's settings is not as by default.
        stopped: Whether it was asked to stop, and did between two turns: then there is no final output.
        tail: The record's last items, as many as 256 KiB hold; the rest is asked for.
    """

    final_output: str | None = None
    final_item: dict[str, Any] | None = None
    final_kind: Literal["text", "typed", "value", "object"] = "text"
    agent: str
    turns: int
    usage: Tokens
    context: dict[str, Any] | None = None
    input_is_text: bool = False
    settled_items: int = 0
    settled_turns: int = 0
    requests: list[RequestTokens] = []
    shown_epoch: int = 0
    guardrails: list[GuardrailView] = []
    kept: KeptView | None = None
    omits_reasoning_ids: bool = False
    max_turns: int | None = 10
    inputs: list[InputView] = []
    settings: dict[str, Any] = {}
    stopped: bool = False
    tail: TranscriptPage
