"""Requests of a model of the user's own about a conversation that the provider keeps: never made twice blindly.

The models of this project look into the conversation before they ask again (`providers/stored_conversations.py`). What
became of a request of another model, only its error can tell; where it was lost with its worker, nothing does.
"""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from temporalio import activity

from perdure.errors import ConversationStateUnknown

from .attempts import Progress

_UNSENT = "unsent"  # noted: the number of an attempt that left nothing in the conversation


@contextlib.contextmanager
def before_request(progress: Progress, conversation_id: str | None) -> Generator[None]:
    """What fails inside has sent nothing, and the next attempt is to know it."""
    try:
        yield
    except BaseException:
        if conversation_id is not None:
            note_unsent(progress)
        raise


def note_unsent(progress: Progress) -> None:
    """Tells the next attempt that this one left nothing in the conversation."""
    progress.note(_UNSENT, activity.info().attempt)


def check_repeat(progress: Progress, conversation_id: str | None) -> None:
    """Refuses an attempt after one of which nobody knows what it left.

    Raises:
        ConversationStateUnknown: The attempt before may have sent the request.
    """
    attempt = activity.info().attempt
    if attempt > 1 and progress.noted(_UNSENT) != attempt - 1:
        raise unknown(conversation_id, "the worker was lost while it was on its way")


def unknown(conversation_id: str | None, what: str) -> ConversationStateUnknown:
    """The error for a request that the provider may have taken in."""
    return ConversationStateUnknown(
        f"Whether conversation {conversation_id!r} has the last request is unknown: {what}. It is not sent again, as "
        "everything could be said twice. Look at the conversation at the provider; then start a run that goes on from "
        "it. A retry policy, or the model's get_retry_advice, can say that sending it again is safe."
    )
