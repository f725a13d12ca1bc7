"""An error that a function of the user turned into a final output."""

from __future__ import annotations

from typing import Any

from perdure.canonical import encode
from perdure.loop.records import Failure
from perdure.loop.state import Frame, LoopState
from perdure.loop.steps import UserSaid
from perdure.loop.turn import finish


def recover(state: LoopState, frame: Frame, said: UserSaid) -> None:
    """Ends a frame with the handler's output, or with the error if the handler declined."""
    failure, frame.recovery = frame.recovery, None
    if failure is None:
        raise RuntimeError(f"an error handler answered for the frame {frame.path!r}, which has no error")
    if said.output is None:
        frame.failure = Failure(failure.type, failure.message, failure.details)
        return
    if said.in_history:
        frame.append(encode(said.message or handlers_message(said.output.text or "")), "answer")
    finish(state, frame, said.output)


def handlers_message(text: str) -> dict[str, Any]:
    """The message that a handler's output becomes."""
    content: list[dict[str, Any]] = [{"annotations": [], "text": text, "type": "output_text", "logprobs": []}]
    # The id is the field's mark for an item that no provider gave one; requests go without it.
    return {"id": "__fake_id__", "content": content, "role": "assistant", "status": "completed", "type": "message"}
