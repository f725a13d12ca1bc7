"""What holds in this process for every OpenAI model that has no client of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from perdure.errors import UserError

if TYPE_CHECKING:
    from openai import AsyncOpenAI


@dataclass
class OpenAIDefaults:
    """The process's defaults; `None` leaves a value to the environment."""

    key: str | None = None
    client: AsyncOpenAI | None = None
    use_responses: bool = True


openai_defaults = OpenAIDefaults()


def set_default_openai_key(key: str, use_for_tracing: bool = True) -> None:
    """Sets the key for OpenAI in this process, before the one in the environment.

    Args:
        key: It stays in this process and enters no run's history.
        use_for_tracing: Accepted for programs of the Agents SDK; traces are not sent to OpenAI.
    """
    openai_defaults.key = key


def set_default_openai_client(client: AsyncOpenAI, use_for_tracing: bool = True) -> None:
    """Sets the client for OpenAI in this process; whoever made it closes it.

    Args:
        client: It is used on the loop that the run was started on, and its own retries are off.
        use_for_tracing: Accepted for programs of the Agents SDK; traces are not sent to OpenAI.
    """
    openai_defaults.client = client


def set_default_openai_api(api: Literal["chat_completions", "responses"]) -> None:
    """Sets through which API models named by a string are asked; the Responses API unless set."""
    if api not in ("chat_completions", "responses"):
        raise UserError(f'The API is {api!r}; it must be "chat_completions" or "responses".')
    openai_defaults.use_responses = api == "responses"
