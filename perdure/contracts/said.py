"""What functions of the user are given and say, as it travels: outputs, inputs, edited conversations."""

from __future__ import annotations

from typing import Any, Literal

from perdure.contracts.run import ChunkView, EntryKind, PageEntry
from perdure.definition import AgentDefinition, Frozen


class Output(Frozen):
    """A final output, or a tool's.

    Attributes:
        kind: `"text"`: `text` is it; `"typed"`: JSON of the agent's output type; `"value"`: JSON of any value;
            `"object"`: of one that a tool made, which may be of the agent's output type.
        item: Where the text is too long to be carried: the item, in stored form, whose text it is.
    """

    kind: Literal["text", "typed", "value", "object"] = "text"
    text: str = ""
    item: dict[str, Any] | None = None


class FunctionResult(Frozen):
    """One function tool's result, as `tool_use_behavior` gets it."""

    tool: str
    call_id: str
    item: dict[str, Any]
    is_value: bool = False


class TranscriptName(Frozen):
    """One of a run's transcripts: of the run or of an agent as a tool (`path`), as recorded (`epoch`), so long."""

    path: str = ""
    epoch: int = 0
    count: int = 0


class BuiltInput(Frozen):
    """`input_builder`: what an agent as a tool is given; or why it cannot be."""

    items: list[dict[str, Any]] = []
    is_text: bool = True
    tool_input: Any = None
    problem: str = ""
    problem_type: str = ""


class ChosenOutput(Frozen):
    """`tool_use_behavior`: whether the run ends with this output."""

    is_final: bool = False
    output: Output | None = None


class HandedOff(Frozen):
    """`on_handoff`: the agent that takes over, with the definitions that the snapshot lacks."""

    agent: str
    definitions: dict[str, AgentDefinition] = {}


class EditedItem(Frozen):
    """One item of an edited conversation: the one at `place` of the transcript, or a new one."""

    place: int | None = None
    item: dict[str, Any] | None = None
    kind: EntryKind = "answer"
    agent: str = ""
    target: str = ""


class RewrittenTranscript(Frozen):
    """A transcript that an edit has made: sealed items, then the newest ones."""

    chunks: list[ChunkView] = []
    entries: list[PageEntry] = []


class EditedHistory(Frozen):
    """`handoff_input_filter`: what the next agent gets.

    Attributes:
        input: What counts as the run's input from now on.
        before: What counts as said before this turn.
        new: What counts as said in this turn.
        shown: What the model gets instead of `before` and `new`; `None`: these.
        record: Where older items are sealed, instead of all these: what was said as a whole, after the edit.
        rewritten: With it, what the model is shown; `None`: the record.
        pruned: With it, what requests are made of; `None`: what the model is shown.
    """

    input: list[EditedItem]
    input_is_text: bool = False
    before: list[EditedItem] = []
    new: list[EditedItem] = []
    shown: list[EditedItem] | None = None
    record: RewrittenTranscript | None = None
    rewritten: RewrittenTranscript | None = None
    pruned: RewrittenTranscript | None = None


class Rewrite(Frozen):
    """For a handoff's filter where older items are sealed: what else it takes to carry the edit out.

    Attributes:
        record: What was said as a whole.
        turn_start: The place in it of the first item of this turn.
        origins: The chains' digests before the first items of the transcripts that the edit makes, in their order.
        kept_bytes: How much of each the run carries itself; older items are sealed.
    """

    record: TranscriptName
    turn_start: int
    origins: list[str]
    kept_bytes: int


class HandledError(Frozen):
    """`error_handler`: the final output that it made; none if it declined.

    Attributes:
        message: The message that it becomes in the conversation, in stored form, where that is not the output's text.
    """

    output: Output | None = None
    include_in_history: bool = True
    message: dict[str, Any] | None = None
