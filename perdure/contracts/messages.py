"""What is said to a run while it runs, and what it answers: signals, updates, queries."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import ConfigDict, ValidationError
from temporalio.common import RawValue

from perdure.canonical import encode
from perdure.contracts.run import GuardrailView, KeptView, problems_of
from perdure.contracts.tokens import RequestTokens, Tokens
from perdure.definition import Frozen
from perdure.limits import MAX_DECISION_BYTES

CONTINUED_TEXT = "The run has gone on in a new history; ask its newest execution."  # said to a query of an older one


class DecisionMessage(Frozen):
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


_Message = TypeVar("_Message", bound=DecisionMessage)


def read_decision(kind: type[_Message], value: Any) -> _Message:
    """The decision in whatever was sent.

    Raises:
        ValueError: It is none; the text says what is wrong with it.
    """
    if isinstance(value, RawValue):
        encoding = value.payload.metadata.get("encoding", b"")
        raise ValueError(f"cannot be read as JSON ({encoding!r:.80})")  # noqa: TRY004  one error for all malformed
    try:
        message = kind.model_validate(value)
    except ValidationError as error:
        raise ValueError(problems_of(error)) from None
    size = len(encode(message.model_dump()))
    if size > MAX_DECISION_BYTES:
        raise ValueError(f"{size} bytes are more than a decision may take ({MAX_DECISION_BYTES})")
    return message


class Receipt(Frozen):
    """What became of a decision."""

    call_id: str
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
            `"finished"` or `"failed"`.
        why: The same in a sentence, with what it waits for.
        decided: Who decided what, by call.
        unknown_outcomes: Calls that may or may not have taken effect.
        guardrails: What the guardrails have said so far.
        requests: See `RunOutcome`, as for `shown_epoch`, `input_is_text`, `kept` and `omits_reasoning_ids`.
        ignored: The last messages that changed nothing, and why.
    """

    agent: str
    phase: str
    why: str
    turn: int
    max_turns: int | None
    items: int
    usage: Tokens
    calls: list[CallView] = []
    approvals: list[ApprovalView] = []
    decided: dict[str, str] = {}
    unknown_outcomes: list[str] = []
    guardrails: list[GuardrailView] = []
    input_is_text: bool = False
    requests: list[RequestTokens] = []
    shown_epoch: int = 0
    kept: KeptView | None = None
    omits_reasoning_ids: bool = False
    context: dict[str, Any] | None = None
    warnings: list[str] = []
    ignored: list[str] = []
