"""What can go wrong, as one tree.

AgentsException                            the root; `run_data` tells how far the run had come
├── MaxTurnsExceeded                       the run used up its turns
├── ModelBehaviorError                     the model answered with something that cannot be followed
├── ModelRefusalError                      the model declined to answer
├── ModelTimeoutError                      a model call took longer than `ModelSettings.timeout`
├── UserError                              the program uses the library in a way that cannot work
│   ├── BlobUnavailable                    a large item is missing from the blob store, or was changed there
│   │   └── BlobStoreDown                  the blob store cannot be read or written now
│   ├── ContextNotPortableError            a context that cannot travel as JSON
│   ├── RunConflictError                   the run id belongs to a run of another agent or input
│   ├── ThreadClosed                       a message came to a thread that was closed
│   └── DecisionConflictError              a call was decided otherwise meanwhile
├── ToolTimeoutError                       a tool with `timeout_behavior="raise_exception"` took too long
├── InputGuardrailTripwireTriggered        an input guardrail said stop
├── OutputGuardrailTripwireTriggered       an output guardrail said stop
├── ToolInputGuardrailTripwireTriggered    a tool's input guardrail said stop
├── ToolOutputGuardrailTripwireTriggered   a tool's output guardrail said stop
└── PerdureError                           durable execution itself
    ├── RunFailed                          an error that this process cannot rebuild; carries type and traceback
    ├── RunCancelled                       the run was cancelled or terminated
    ├── RunNotFound                        no run has this id
    ├── ConversationStateUnknown           a conversation kept by the provider may or may not have the last message
    ├── RunUnattended                      nobody serves the run, so nobody can answer for it
    ├── PayloadUnreadable                  what a history keeps cannot be decrypted here
    ├── SessionUnavailable                 the store of a session cannot be used now
    ├── ServerUnavailable                  no Temporal server answers
    └── ServerTooOld                       the Temporal server lacks what a run needs

Temporal retries none of these but SessionUnavailable and BlobStoreDown: a run that ends in one of them has ended.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perdure.guardrail import InputGuardrailResult, OutputGuardrailResult
    from perdure.result import RunErrorDetails
    from perdure.tool_guardrails import ToolGuardrailFunctionOutput, ToolInputGuardrail, ToolOutputGuardrail


class AgentsException(Exception):
    """The root of all errors that end a run or refuse to start one."""

    run_data: RunErrorDetails | None = None


class MaxTurnsExceeded(AgentsException):
    """The run asked for one model call more than `max_turns` allows."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelBehaviorError(AgentsException):
    """The model answered with something that cannot be followed: an unknown tool, malformed JSON, no terminal event."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ModelRefusalError(AgentsException):
    """The model's final answer is a refusal."""

    def __init__(self, refusal: str) -> None:
        super().__init__(f"Model refused to produce output: {refusal}")
        self.refusal = refusal


class ModelTimeoutError(AgentsException):
    """A model call took longer than its settings allow."""

    def __init__(self, timeout_seconds: float) -> None:
        super().__init__(f"Model call timed out after {timeout_seconds:g} seconds.")
        self.timeout_seconds = timeout_seconds


class UserError(AgentsException):
    """The program uses the library in a way that cannot work; the message says what to change."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ContextNotPortableError(UserError):
    """A context holds something that cannot travel as JSON; the message names the field."""


class BlobUnavailable(UserError):
    """A large item of a run is missing from the blob store, or was changed there."""

    def of_run(self, run_id: str) -> BlobUnavailable:
        """The same error, which says which run lacks the item."""
        return type(self)(f"Run {run_id!r} cannot be read. {self.message}")


class BlobStoreDown(BlobUnavailable):
    """The blob store cannot be read or written now: its disk is full, or a share is not there.

    No run ends for it: what needs the store comes again until it is back.
    """

    is_of_writing = False

    @classmethod
    def of(cls, store: object, error: OSError, *, writing: bool) -> BlobStoreDown:
        """What a store says of an error of its disk's or network's."""
        does = "written" if writing else "read"
        down = cls(f"The blob store {store} cannot be {does} now ({error}). Its runs wait until it can be.")
        down.is_of_writing = writing
        return down


class RunConflictError(UserError):
    """The run id already belongs to a run of another agent or with another input."""


class DecisionConflictError(UserError):
    """A call in the state was decided otherwise meanwhile; the first committed decision stands."""


class ThreadClosed(UserError):
    """A message came to a thread that was closed, or has ended otherwise; it was not taken."""


class ToolTimeoutError(AgentsException):
    """A tool took longer than its timeout and asked for that to end the run."""

    def __init__(self, tool_name: str, timeout_seconds: float) -> None:
        super().__init__(f"Tool '{tool_name}' timed out after {timeout_seconds:g} seconds.")
        self.tool_name = tool_name
        self.timeout_seconds = timeout_seconds


class InputGuardrailTripwireTriggered(AgentsException):
    """An input guardrail stopped the run.

    Attributes:
        guardrail_result: Which guardrail it was and what it said.
    """

    def __init__(self, guardrail_result: InputGuardrailResult) -> None:
        super().__init__(f"Guardrail {type(guardrail_result.guardrail).__name__} triggered tripwire")
        self.guardrail_result = guardrail_result


class OutputGuardrailTripwireTriggered(AgentsException):
    """An output guardrail stopped the run.

    Attributes:
        guardrail_result: Which guardrail it was, what it judged and what it said.
    """

    def __init__(self, guardrail_result: OutputGuardrailResult) -> None:
        super().__init__(f"Guardrail {type(guardrail_result.guardrail).__name__} triggered tripwire")
        self.guardrail_result = guardrail_result


class ToolInputGuardrailTripwireTriggered(AgentsException):
    """A guardrail on a tool's arguments stopped the run.

    Attributes:
        guardrail: The guardrail.
        output: What it said.
    """

    def __init__(self, guardrail: ToolInputGuardrail[Any], output: ToolGuardrailFunctionOutput) -> None:
        super().__init__(f"Tool input guardrail {type(guardrail).__name__} triggered tripwire")
        self.guardrail = guardrail
        self.output = output


class ToolOutputGuardrailTripwireTriggered(AgentsException):
    """A guardrail on a tool's output stopped the run.

    Attributes:
        guardrail: The guardrail.
        output: What it said.
    """

    def __init__(self, guardrail: ToolOutputGuardrail[Any], output: ToolGuardrailFunctionOutput) -> None:
        super().__init__(f"Tool output guardrail {type(guardrail).__name__} triggered tripwire")
        self.guardrail = guardrail
        self.output = output


class PerdureError(AgentsException):
    """Durable execution itself could not do its part."""


class RunFailed(PerdureError):
    """A run ended in an error that this process cannot rebuild, as one raised by user code in another process.

    Attributes:
        type_name: The error's class name where it was raised.
        traceback_text: Its traceback there, if known.
    """

    def __init__(self, message: str, *, type_name: str = "", traceback_text: str = "") -> None:
        super().__init__(f"{type_name}: {message}" if type_name else message)
        self.type_name = type_name
        self.traceback_text = traceback_text


class RunCancelled(PerdureError):
    """The run was cancelled or terminated before it had a result."""


class RunNotFound(PerdureError):
    """No run with this id is known to the namespace (it may be past its retention)."""


class ConversationStateUnknown(PerdureError):
    """A conversation that the provider keeps may or may not have the last message: the request was sent, then lost.

    Sending it again could say everything twice. Look at the conversation, then start a run that goes on from there.
    """


class RunUnattended(PerdureError):
    """No worker serves the run, so nobody can answer for it; the message has the command that starts one."""


class PayloadUnreadable(PerdureError):
    """What a history keeps cannot be decrypted here: the key is missing, or it was changed or never encrypted."""


class SessionUnavailable(PerdureError):
    """The store of a session cannot be used now: it is down, or locked.

    A session of your own raises it to let a run wait until the store is there again, instead of ending the run.
    """


class ServerUnavailable(PerdureError):
    """No Temporal server answers at the configured address."""


class ServerTooOld(PerdureError):
    """The Temporal server is older than what a run needs."""


def describe_exception(error: BaseException) -> dict[str, Any]:
    """An exception as plain, bounded data: `type` and `message`, safe even where `str()` of it raises."""
    try:
        message = str(error)
    except Exception as second:  # noqa: BLE001  user code may raise anything from __str__
        message = f"<{type(error).__name__} whose text cannot be read: {type(second).__name__}>"
    message = message.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")
    limit = 4096  # characters; Temporal drops a failure above its message size (faults: 3 MB)
    if len(message) > limit:
        message = f"{message[:limit]}… ({len(message)} characters in all)"
    return {"type": type(error).__name__, "message": message}
