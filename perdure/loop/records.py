"""What a run's state is made of: transcripts, decisions, failures, answers, outputs."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from perdure.transcript import chain
from perdure.usage import Usage

# handoff: the call of one; handed_off: its output; value: an output whose text is JSON of what was returned;
# added: said to the run while it was under way; interrupted: what a model had said when it was stopped
EntryKind = Literal["input", "answer", "output", "value", "handoff", "handed_off", "added", "interrupted"]
When = Literal["now", "after_tool", "next_turn"]  # how soon what is said to a run is to be heard


class Entry(NamedTuple):
    """One item of a transcript: its canonical bytes, where it came from, and the chain's digest after it."""

    data: bytes
    kind: EntryKind
    agent: str
    turn: int
    digest: str
    target: str = ""


@dataclass(slots=True, frozen=True)
class Declined:
    """A step that workers declined without doing it: how often by now, and the last one's reason."""

    times: int
    reason: str
    call_id: str = ""


@dataclass(slots=True, frozen=True)
class Chunk:
    """Items of a transcript that lie in the blob store, with the answers that begin among them.

    Attributes:
        sha256: Of the chunk's bytes.
        count: How many items it has; `inputs` of them are input.
        digest: The transcript's chain after them.
    """

    sha256: str
    count: int
    digest: str
    inputs: int = 0


@dataclass(slots=True)
class Transcript:
    """An append-only list of items; the older ones may be sealed: they lie in the blob store.

    Attributes:
        origin: The chain's digest before the first item.
        epoch: Which of its frame's transcripts it is; an edit begins another one.
        entries: The items after the sealed ones.
        sent: How many items the last model call had; what comes after them is new to the worker that made it.
        sealed: The sealed items.
        given: Of a thread: how many items from the first on were said before its message, whatever they were then.
    """

    origin: str
    epoch: int = 0
    entries: list[Entry] = field(default_factory=list[Entry])
    sent: int = 0
    sealed: list[Chunk] = field(default_factory=list[Chunk])
    given: int = 0

    @property
    def first(self) -> int:
        """The place of the first item that is not sealed."""
        return sum(chunk.count for chunk in self.sealed)

    @property
    def count(self) -> int:
        """How many items there are."""
        return self.first + len(self.entries)

    @property
    def inputs(self) -> int:
        """How many of the items are input."""
        return sum(chunk.inputs for chunk in self.sealed) + sum(entry.kind == "input" for entry in self.entries)

    def digest_at(self, count: int) -> str:
        """The chain's digest after `count` items; of sealed ones it is known where a chunk ends."""
        place = count - self.first
        if place > 0:
            return self.entries[place - 1].digest
        digest, ends = self.origin, 0
        for chunk in self.sealed:
            if ends == count:
                break
            digest, ends = chunk.digest, ends + chunk.count
        return digest

    def after(self, place: int) -> list[Entry]:
        """The items from a place on, which must not be sealed."""
        return self.entries[place - self.first :]

    def append(self, data: bytes, kind: EntryKind, agent: str, turn: int, target: str = "") -> None:
        """Adds one item."""
        before = self.entries[-1].digest if self.entries else self.digest_at(self.first)
        self.entries.append(Entry(data, kind, agent, turn, chain(before, [data]), target))

    def seal(self, chunks: list[Chunk]) -> None:
        """Forgets the oldest items, which lie in the blob store as these chunks.

        Raises:
            ValueError: The chunks do not hold the items.
        """
        for chunk in chunks:
            if self.digest_at(self.first + chunk.count) != chunk.digest or chunk.count > len(self.entries):
                raise ValueError(f"the chunk {chunk.sha256[:12]}… does not hold {chunk.count} items of the transcript")
            self.sealed, self.entries = [*self.sealed, chunk], self.entries[chunk.count :]


@dataclass(slots=True, frozen=True)
class Decision:
    """What somebody decided about a call: the first one that is committed holds."""

    approve: bool
    by: str | None = None
    reason: str | None = None
    always: bool = False
    at: float = 0.0  # seconds since the epoch, the workflow's time


@dataclass(slots=True, frozen=True)
class Resolution:
    """What somebody has found out about a call whose outcome nobody knew; `result` is what came of it, if known."""

    outcome: Literal["happened", "not_happened", "retry"]
    result: str | None = None
    by: str | None = None
    at: float = 0.0  # as a decision's


@dataclass(slots=True, frozen=True)
class Failure:
    """Why a run fails: the error's class name, its text, and what else is known.

    Attributes:
        kind: Which of the run's error handlers may turn it into a final output, if any may.
    """

    type: str
    message: str
    details: dict[str, Any] = field(default_factory=dict[str, Any])
    kind: str = ""


@dataclass(slots=True)
class ResponseRecord:
    """One accepted answer of a model: what it used, and its items where they are not in the record any more."""

    turn: int
    agent: str
    first: int
    count: int
    usage: Usage
    response_id: str | None = None
    request_id: str | None = None
    items: list[bytes] | None = None
    raw_usage: dict[str, Any] | None = None


@dataclass(slots=True)
class Guard:
    """A guardrail on the input or the final output: whose it is, and whether it has let it pass."""

    source: Literal["agent", "run"]
    index: int
    name: str
    parallel: bool = False
    passed: bool = False


@dataclass(slots=True, frozen=True)
class SentInput:
    """Input that was sent to a run under way: its items in stored form, by whom, what it takes back, what it awaits."""

    message_id: str
    items: list[dict[str, Any]]
    by: str | None = None
    withdraw: list[str] = field(default_factory=list[str])
    when: When = "next_turn"


@dataclass(slots=True)
class Admission:
    """The first of the inputs that wait, as many as `count`, while guardrails judge them."""

    count: int
    guards: list[Guard]


@dataclass(slots=True, frozen=True)
class GuardrailRecord:
    """What one guardrail said."""

    kind: Literal["input", "output", "tool_input", "tool_output"]
    source: Literal["agent", "run", "tool"]
    index: int
    name: str
    agent: str
    tool: str = ""
    call_id: str = ""
    behavior: Literal["allow", "reject", "raise"] = "allow"
    message: str = ""
    output_info: Any = None


@dataclass(slots=True, frozen=True)
class Final:
    """A final output.

    Attributes:
        kind: `"text"`; `"typed"`: JSON of the agent's output type; `"value"`: JSON of any value; `"object"`:
            of one that a tool made, which may be of the agent's output type.
        item: The item whose text it is, where that is too long to be carried.
    """

    kind: Literal["text", "typed", "value", "object"] = "text"
    text: str | None = ""
    item: dict[str, Any] | None = None


@dataclass(slots=True)
class Kept:
    """What the provider keeps of the conversation.

    Attributes:
        chains: Whether each answer's id is the next request's `previous_response_id`.
        delivered: How many items it has.
        began_after: The answer that the first request followed.
    """

    conversation_id: str | None = None
    previous_response_id: str | None = None
    chains: bool = False
    delivered: int = 0
    began_after: str | None = None

    @classmethod
    def asked(cls, conversation_id: str | None, previous_response_id: str | None, *, auto: bool = False) -> Kept | None:
        """What these options of a run ask the provider to keep, if anything."""
        if conversation_id is None and previous_response_id is None and not auto:
            return None
        chains = conversation_id is None
        return cls(conversation_id, previous_response_id, chains, began_after=previous_response_id)


@dataclass(slots=True)
class ModelAnswer:
    """A model's answer: its items in stored form, and the tools and handoffs that were off when it was asked."""

    items: list[dict[str, Any]]
    usage: Usage
    response_id: str | None = None
    request_id: str | None = None
    disabled: frozenset[str] = frozenset()
    invalid_output: str | None = None
    context_changes: dict[str, Any] = field(default_factory=dict[str, Any])
    raw_usage: dict[str, Any] | None = None
