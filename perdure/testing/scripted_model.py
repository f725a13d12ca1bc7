"""A model that answers from a list.

It keeps no place in the list: each answer is chosen by which of the script's items the conversation already holds. So
a run that is killed and goes on in another process, whose model object knows nothing of the first, gets the answer that
comes next, as it would from a real model.
"""

from __future__ import annotations

import copy
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from typing import Any, cast

from perdure.canonical import clean
from perdure.errors import UserError
from perdure.model import Model, ModelResponse, ModelTracing
from perdure.testing.scripted_stream import stream_of
from perdure.usage import Usage

Answer = str | dict[str, Any] | Sequence[str | dict[str, Any]] | Exception


def message(text: str) -> dict[str, Any]:
    """A text message of the model, as an item."""
    content: list[dict[str, Any]] = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "role": "assistant", "status": "completed", "content": content}


def tool_call(name: str, arguments: dict[str, Any] | str, call_id: str | None = None) -> dict[str, Any]:
    """A call of a function tool or a handoff, as an item.

    Args:
        name: The tool's name.
        arguments: As an object, or as the very text that the model sends, which need not be JSON.
        call_id: The model's id of the call; by default one from the call's place in the script.
    """
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    call = {"type": "function_call", "name": name, "arguments": text, "status": "completed"}
    return call if call_id is None else {**call, "call_id": call_id}


@dataclass(frozen=True)
class ScriptedRequest:
    """What a `ScriptedModel` was asked.

    Attributes:
        instructions: The system prompt.
        input: The conversation's items.
        tools: The tools' names.
        handoffs: The names of the tools that hand off.
        settings: The model settings.
        output_schema: The output type's schema; None for plain text.
    """

    instructions: str | None
    input: list[dict[str, Any]]
    tools: list[str]
    handoffs: list[str]
    settings: Any
    output_schema: Any | None


class ScriptedModel(Model):
    """Answers from a list, in order; give it as an agent's `model`.

    The next answer is the one after the last whose items the conversation holds; items of other models in it do not
    count. Exceptions and empty answers leave no items, so each is given once per process. A run with a new
    conversation begins at the start again, and an agent that runs as a tool has a conversation of its own: give it a
    script of its own. Of a conversation that the provider would keep, `previous_response_id` tells the place, and
    `conversation_id` does as long as this object lives.

    Args:
        answers: Each a text, an item, a list of both, or an exception to raise.
        usage: What each answer reports; 10 input and 5 output tokens.

    Attributes:
        requests: What was asked so far in this process.
    """

    def __init__(self, answers: Sequence[Answer], *, usage: Usage | None = None) -> None:
        self._script = [_scripted(answer, place) for place, answer in enumerate(answers)]
        # Every item of the script with its answer's place, in order: what a conversation is compared with.
        self._marks = [(place, _mark(item)) for place, answer in enumerate(self._script) for item in _items_of(answer)]
        self._usage = usage or Usage.of_request(10, 5)
        self._given_once: set[int] = set()
        self._kept: dict[str, int] = {}  # the next place by conversation id
        self.requests: list[ScriptedRequest] = []

    async def get_response(  # noqa: PLR0917  the parameters are those of `Model`
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: Any,
        tools: list[Any],
        output_schema: Any | None,
        handoffs: list[Any],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: Any | None,
    ) -> ModelResponse:
        """Answers with what comes next in the script, or raises it.

        Raises:
            UserError: The script is used up.
        """
        items: list[Any] = [{"role": "user", "content": input}] if isinstance(input, str) else list(input)
        tool_names = [_name(tool, "name") for tool in tools]
        handoff_names = [_name(handoff, "tool_name") for handoff in handoffs]
        self.requests.append(
            ScriptedRequest(system_instructions, items, tool_names, handoff_names, model_settings, output_schema)
        )
        kept = self._kept.get(conversation_id or "", 0)
        place = self._next_place(items, max(kept, _place_after(previous_response_id)))
        if conversation_id is not None:
            self._kept[conversation_id] = place + 1
        answer = self._script[place]
        if isinstance(answer, Exception):
            raise answer
        return ModelResponse(
            output=copy.deepcopy(answer), usage=copy.deepcopy(self._usage), response_id=f"resp_{place}"
        )

    async def stream_response(  # noqa: PLR0917  the parameters are those of `Model`
        self,
        system_instructions: str | None,
        input: str | list[Any],
        model_settings: Any,
        tools: list[Any],
        output_schema: Any | None,
        handoffs: list[Any],
        tracing: ModelTracing,
        *,
        previous_response_id: str | None,
        conversation_id: str | None,
        prompt: Any | None,
    ) -> AsyncGenerator[Any]:
        """Answers like `get_response`, word by word."""
        answer = await self.get_response(
            system_instructions, input, model_settings, tools, output_schema, handoffs, tracing,
            previous_response_id=previous_response_id, conversation_id=conversation_id, prompt=prompt,
        )  # fmt: skip
        for event in stream_of(answer):
            yield event

    def _next_place(self, conversation: list[Any], least: int) -> int:
        place = max(self._first_unsaid_place(conversation), least)
        while place < len(self._script):
            if _items_of(self._script[place]):
                return place
            if place not in self._given_once:
                self._given_once.add(place)
                return place
            place += 1
        raise UserError(
            f"The script of {len(self._script)} answers is used up, and the model was asked once more; "
            "add an answer, or check why the run goes on."
        )

    def _first_unsaid_place(self, conversation: list[Any]) -> int:
        """The place after the last answer of which the conversation holds an item, read in the script's order."""
        after = 0  # the first scripted item that may stand next in the conversation
        for entry in conversation:
            said = _mark(entry)
            if said is None:
                continue
            found = next((at for at in range(after, len(self._marks)) if _same(self._marks[at][1], said)), None)
            after = after if found is None else found + 1
        return self._marks[after - 1][0] + 1 if after else 0


def _place_after(response_id: str | None) -> int:
    """The place after the answer with this id; 0 for an id of another model, and for none."""
    prefix, _, place = (response_id or "").partition("_")
    return int(place) + 1 if prefix == "resp" and place.isdigit() else 0


def _items_of(answer: list[dict[str, Any]] | Exception) -> list[dict[str, Any]]:
    return [] if isinstance(answer, Exception) else answer


def _scripted(answer: Any, place: int) -> list[dict[str, Any]] | Exception:
    if isinstance(answer, Exception):
        return answer
    parts: Any = [answer] if isinstance(answer, str | dict) else answer
    if not isinstance(parts, list | tuple) or not all(
        isinstance(part, str | dict) for part in cast("list[Any]", parts)
    ):
        raise UserError(
            f"Answer {place} of the script is {answer!r}; it must be a text, an item (a dict), a list of both, "
            "or an exception (an object, not a class)."
        )
    items = [message(part) if isinstance(part, str) else copy.deepcopy(part) for part in cast("list[Any]", parts)]
    return [_with_ids(item, place, index) for index, item in enumerate(items)]


def _with_ids(item: dict[str, Any], place: int, index: int) -> dict[str, Any]:
    kind = item.get("type")
    if kind == "function_call":
        return {"id": f"fc_{place}_{index}", "call_id": f"call_{place}_{index}", **item}
    if kind == "message":
        return {"id": f"msg_{place}_{index}" if index else f"msg_{place}", **item}
    return item


def _mark(item: Any) -> tuple[Any, str] | None:
    """What an item of the model is recognised by: its id, if it has one, and what it says; None for other items."""
    if not isinstance(item, dict):
        return None
    fields = cast("dict[str, Any]", item)
    kind = str(fields.get("type") or "message")
    if kind.endswith("_output") or (kind == "message" and fields.get("role") != "assistant"):
        return None
    if kind == "message":
        said = _texts(fields.get("content"))
    elif kind == "function_call":
        said = [fields.get("call_id"), fields.get("name"), fields.get("arguments")]
    else:
        said = {name: value for name, value in fields.items() if name not in ("id", "status")}
    return fields.get("id"), json.dumps([kind, clean(said)], sort_keys=True)


def _texts(content: Any) -> Any:
    if not isinstance(content, list):
        return [content]
    parts = [cast("dict[str, Any]", part) for part in cast("list[Any]", content) if isinstance(part, dict)]
    return [part.get("text", part.get("refusal")) for part in parts]


def _same(scripted: tuple[Any, str] | None, said: tuple[Any, str]) -> bool:
    """Whether two items are one; an id counts only where both have one, as some histories drop ids."""
    if scripted is None or scripted[1] != said[1]:
        return False
    return None in (scripted[0], said[0]) or scripted[0] == said[0]


def _name(tool: Any, attribute: str) -> str:
    if isinstance(tool, dict):
        fields = cast("dict[str, Any]", tool)
        return str(fields.get("name") or fields.get("type"))
    return str(getattr(tool, attribute, type(tool).__name__))
