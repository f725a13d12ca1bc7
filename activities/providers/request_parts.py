"""What the bodies of both OpenAI APIs share: values given beside the settings, and what is refused in them."""

from __future__ import annotations

from typing import Any

from perdure.errors import UserError
from perdure.model_settings import ModelSettings

_NOT_FOR_EXTRA_ARGS = ("extra_headers", "extra_query", "extra_body")


def with_extras(body: dict[str, Any], settings: ModelSettings, conversation: str) -> dict[str, Any]:
    """The body with what `extra_args` and `extra_body` add; the latter overrides everything.

    Args:
        body: The body without its conversation.
        settings: The request's settings.
        conversation: The body's name for the conversation.

    Raises:
        UserError: `extra_args` sets what the body has already, or something asks for a stream.
    """
    extra = {name: value for name, value in (settings.extra_args or {}).items() if name != "timeout"}
    twice = sorted(name for name in extra if name in body or name in (conversation, *_NOT_FOR_EXTRA_ARGS))
    if twice:
        raise UserError(
            f"extra_args sets {', '.join(twice)}, which the request has already; use the setting's own name."
        )
    whole = body | extra | (settings.extra_body or {})
    if whole.get("stream") or whole.get("background"):
        raise UserError(
            "The model settings ask for stream or background; a run waits for whole answers: leave them out."
        )
    return whole
