"""What is said to a run while it runs, and what it answers: signals, updates, queries."""

from __future__ import annotations

import json
from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, Field, model_validator

from perdure.canonical import canonical, encode
from perdure.contracts.holding import HoldMessage, HoldView
from perdure.contracts.incoming import Addressed, read_incoming
from perdure.contracts.stopping import StopMessage
from perdure.contracts.threads import ThreadView
from perdure.contracts.tokens import RequestTokens, Tokens
from perdure.contracts.told import GuardrailView, InputView, KeptView
from perdure.definition import Frozen
from perdure.errors import UserError
from perdure.item_json import input_items
from perdure.limits import MAX_DECISION_BYTES, MAX_INLINE_ITEM_BYTES, MAX_MESSAGE_BYTES
from perdure.usage import Usage

CONTINUED_TEXT = "The run has gone on in a new history; ask its newest execution."  # said to a query of an older one
AHEAD_TEXT = "The run has results that no workflow task has taken up yet; ask again."  # to a query before that


class DecisionMessage(Addressed):
    """A decision as it is sent by signal, update or command line.

    Attributes:
        call_id: The call, as `approvals` names it.
        by: Who decides: a claim of the sender.
        reason: Told to the model if the call is rejected.
        digest: If given, must be the call's: then the decision holds for exactly these arguments.
        always: The decision holds for later calls of this tool in this run, too.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    call_id: str
    by: str | None = None
    reason: str | None = None
    digest: str | None = None
    always: bool = False


class UpdateMessage(DecisionMessage):
    """A decision with its verb, for the update `decide`."""

    decision: Literal["approve", "reject"]


class ResolutionMessage(Addressed):
    """What somebody has found out about a call whose outcome nobody knew, as it is sent.

    Attributes:
        call_id: The call, as `status` names it.
        outcome: `"happened"`, `"not_happened"` (the model is told so) or `"retry"`: it is tried again.
        result: What came of it, if it happened; what the ledger has of it by default.
        by: Who says it: a claim of the sender.
        digest: If given, must be the call's.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    call_id: str
    outcome: Literal["happened", "not_happened", "retry"]
    result: str | None = None
    by: str | None = None
    digest: str | None = None

    @model_validator(mode="after")
    def _check_result(self) -> ResolutionMessage:
        if self.result is not None and self.outcome != "happened":
            raise ValueError("a result goes with the outcome 'happened' alone")
        return self


class SendMessage(Addressed):
    """Input for a run under way, as it is sent by update.

    Attributes:
        message_id: Names it: what comes again under the same id is taken once.
        input: A message of the user, or items.
        by: Who says it: a claim of the sender.
        withdraw: The ids of messages that wait and are not to be said; then `input` may be left out.
        when: How soon it is to be heard: `"now"`, `"after_tool"`, or `"next_turn"`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    message_id: str = Field(min_length=1, max_length=128)
    input: str | list[dict[str, Any]] = []
    by: str | None = Field(default=None, max_length=256)
    withdraw: list[str] = []
    when: Literal["now", "after_tool", "next_turn"] = "next_turn"

    @property
    def items(self) -> list[dict[str, Any]]:
        """The input as items in stored form.

        Raises:
            ValueError: It is nested too deep, or holds a number that is too long.
        """
        try:
            return [json.loads(canonical(item)) for item in input_items(self.input)] if self.input else []
        except UserError as error:
            raise ValueError(error.message) from None


def read_send(value: Any) -> SendMessage:
    """The input in whatever was sent.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    message = read_incoming(SendMessage, value, MAX_MESSAGE_BYTES, "input")
    if not message.input and not message.withdraw:
        raise ValueError("input: there is nothing in it, nor is anything withdrawn")
    for item in message.items:
        size = len(encode(item))
        if size > MAX_INLINE_ITEM_BYTES:
            text = f"an item takes {size} bytes, at most {MAX_INLINE_ITEM_BYTES} can: `Run.send` keeps larger ones"
            raise ValueError(f"{text} in the blob store")
        if not isinstance(item.get("type", item.get("role")), str):
            raise ValueError("an item has neither a type nor a role")  # noqa: TRY004  one error for all malformed
    return message


_Message = TypeVar("_Message", DecisionMessage, UpdateMessage, ResolutionMessage, StopMessage, HoldMessage)
_Any = TypeVar("_Any", bound=Frozen)


def read_message(kind: type[_Message], value: Any) -> _Message:
    """The message in whatever was sent.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    return read_incoming(kind, value, MAX_DECISION_BYTES)


class Receipt(Frozen):
    """What became of a decision."""

    call_id: str
    verdict: str
    explanation: str


class SendReceipt(Frozen):
    """What became of input that was sent: `"accepted"`, or `"repeated"` if its id was known."""

    message_id: str
    verdict: str
    explanation: str


class ApprovalView(Frozen):
    """A call that waits for a decision.

    Attributes:
        arguments: As the model wrote them; only their beginning if they are very long.
        since: ISO 8601, UTC; `expires` likewise.
    """

    call_id: str
    tool: str
    arguments: str
    agent: str
    digest: str
    since: str
    expires: str


class UnknownView(Frozen):
    """A call of which nobody knows whether it took effect; it waits for somebody who says.

    Attributes:
        why: How that came.
    """

    call_id: str
    tool: str
    arguments: str
    agent: str
    digest: str
    why: str


class DeclinedView(Frozen):
    """A step that the workers at hand declined without doing it, as they lack what it needs; it is offered again.

    Attributes:
        step: The step's id; `call_id` and `tool`: the call that it is about, if it is about one.
        reason: The last worker's words.
        times: How often it was declined.
        within_seconds: How long it waits at most before it is offered again.
    """

    step: str
    reason: str
    times: int
    within_seconds: float
    call_id: str = ""
    tool: str = ""


class CallView(Frozen):
    """A call of an open turn; `output` once it has one.

    Attributes:
        path: Of which agent as a tool; empty for the run itself.
        agent: The key of the agent that made it.
    """

    call_id: str
    tool: str
    phase: str
    digest: str
    item: dict[str, Any]
    output: dict[str, Any] | None = None
    output_is_value: bool = False
    path: str = ""
    agent: str = ""


class StatusView(Frozen):
    """What a run does.

    Attributes:
        phase: `"starting"`, `"calling model"`, `"running tools"`, `"waiting for approval"` (nothing else goes on),
            `"interrupted"` or `"paused"` (likewise), `"finished"` or `"failed"`.
        why: The same in a sentence, with what it waits for.
        inherited: What of the usage another run has paid for, from whose state this one goes on.
        decided: Who decided what, by call.
        declined: The steps that workers declined and that wait to be offered again.
        unknown: The calls that wait for somebody who says what became of them.
        resolved: What was said of such calls, by call.
        effects: The calls that have had (or may have had) an effect that must not be repeated, and whether a key of the
            tool's names it.
        unknown_outcomes: All calls that may or may not have taken effect, those nobody was asked about included.
        guardrails: What the guardrails have said so far.
        requests: See `RunOutcome`, as for `shown_epoch`, `input_is_text`, `kept`, `omits_reasoning_ids`, `inputs` and
            `settings`.
        paused: Who has paused it, if somebody has; `interrupted` likewise.
        ignored: The last messages that changed nothing, and why.
        thread: Of a thread: its messages.
    """

    agent: str
    phase: str
    why: str
    turn: int
    max_turns: int | None
    items: int
    usage: Tokens
    inherited: Tokens | None = None
    calls: list[CallView] = []
    approvals: list[ApprovalView] = []
    decided: dict[str, str] = {}
    declined: list[DeclinedView] = []
    unknown: list[UnknownView] = []
    resolved: dict[str, str] = {}
    effects: dict[str, bool] = {}
    unknown_outcomes: list[str] = []
    guardrails: list[GuardrailView] = []
    input_is_text: bool = False
    requests: list[RequestTokens] = []
    shown_epoch: int = 0
    kept: KeptView | None = None
    omits_reasoning_ids: bool = False
    context: dict[str, Any] | None = None
    inputs: list[InputView] = []
    settings: dict[str, Any] = {}
    paused: HoldView | None = None
    interrupted: HoldView | None = None
    warnings: list[str] = []
    ignored: list[str] = []
    thread: ThreadView | None = None

    @property
    def paid(self) -> Usage:
        """What the run itself has used: a thread with all its messages, and nothing that another run has paid for."""
        if self.thread is not None:
            return self.thread.usage.usage()
        used = self.usage.usage()
        return used if self.inherited is None else used.since(self.inherited.usage())

    @property
    def given_up(self) -> list[str]:
        """The calls that may or may not have taken effect, and of which nobody is asked any more."""
        asked = {each.call_id for each in self.unknown}
        return [call_id for call_id in self.unknown_outcomes if call_id not in asked]
