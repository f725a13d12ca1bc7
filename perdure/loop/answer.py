"""Reads a model's answer: which calls it makes, whether it is the last word, what in it cannot be followed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from perdure.canonical import encode
from perdure.definition import AgentDefinition
from perdure.items import is_reference, message_refusal, message_text
from perdure.limits import MAX_CALLS_PER_RESPONSE
from perdure.loop.state import Failure, LoopState

# Calls that this machine would have to run by other means than a function; no agent here has such tools.
_LOCAL_CALLS = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call", "custom_tool_call")

# What types end with that the provider did on its own account: without a message the model has more to say.
_PROVIDER_GOES_ON = ("_call", "_request", "tool_search_output")


@dataclass(slots=True)
class Answer:
    """What an answer amounts to.

    Attributes:
        items: What enters the transcript: all but calls that were made and answered before.
        calls: The function calls among them.
        is_final: Whether the run ends with it.
        final_output: The last message's text; `None` if it lies in the blob store.
        used_provider_tools: Whether the provider ran tools for it.
    """

    items: list[dict[str, Any]]
    calls: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    is_final: bool = False
    final_output: str | None = None
    used_provider_tools: bool = False


def read_answer(state: LoopState, items: list[dict[str, Any]], disabled: frozenset[str]) -> Answer | Failure:
    """What the answer amounts to, or why it cannot be followed; changes nothing.

    A call that comes again, same id, tool and arguments, is not made again. An id that comes again with another call
    is another call: models do repeat ids (GPT-4o did in recorded conversations), and ours never repeat.
    """
    kept: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    made: set[tuple[str, str]] = set()
    for item in items:
        if item.get("type") != "function_call":
            if item.get("type") in _LOCAL_CALLS:
                return _misbehaved(f"Model made a {item['type']} but agent {state.agent} has no tool for it")
            kept.append(item)
            continue
        problem = _problem_with_call(state.definition, item, disabled)
        if problem:
            return _misbehaved(problem)
        call = (item["call_id"], call_digest(item))
        if call not in made and call[1] not in _earlier_digests(state, item["call_id"]):
            made.add(call)
            calls.append(item)
            kept.append(item)
    if len(calls) > MAX_CALLS_PER_RESPONSE:
        return _misbehaved(f"Model made {len(calls)} calls in one answer; at most {MAX_CALLS_PER_RESPONSE} are run")
    has_calls = any(item.get("type") == "function_call" for item in items)
    answer = Answer(kept, calls) if has_calls else _without_calls(kept)
    if isinstance(answer, Answer):
        answer.used_provider_tools = any(_is_provider_tool(item) for item in kept)
    return answer


def call_digest(item: dict[str, Any]) -> str:
    """Names a call's tool and arguments."""
    arguments = item["perdure_blob"]["sha256"] if is_reference(item) else item["arguments"]
    return hashlib.sha256(encode([item["name"], arguments])).hexdigest()[:12]


def _without_calls(items: list[dict[str, Any]]) -> Answer | Failure:
    messages = [item for item in items if item.get("type") == "message"]
    if not messages:
        by_provider = any(str(item.get("type")).endswith(_PROVIDER_GOES_ON) for item in items)
        return Answer(items) if by_provider else Answer(items, is_final=True, final_output="")
    last = messages[-1]
    if is_reference(last):
        return Answer(items, is_final=True, final_output=None)
    refusal = message_refusal(last)
    if refusal is not None:
        return Failure("ModelRefusalError", refusal)
    return Answer(items, is_final=True, final_output=message_text(last))


def _is_provider_tool(item: dict[str, Any]) -> bool:
    """Whether it is a tool's use; a search for tools is none, so a forced `tool_choice` outlives it."""
    kind = str(item.get("type"))
    return kind.endswith("_call") and kind not in ("function_call", "tool_search_call")


def _problem_with_call(definition: AgentDefinition, item: dict[str, Any], disabled: frozenset[str]) -> str | None:
    name, call_id, arguments = item.get("name"), item.get("call_id"), item.get("arguments")
    arguments = "" if is_reference(item) else arguments
    if not isinstance(name, str) or not isinstance(call_id, str) or not isinstance(arguments, str):
        return f"Model made a function call without a name, call id or arguments: {item!r:.200}"
    if name not in definition.tools_by_name or name in disabled:
        return f"Tool {name:.200} not found in agent {definition.name}"
    return None


def _earlier_digests(state: LoopState, model_call_id: str) -> list[str]:
    return [state.call_digests[call_id] for call_id in state.call_ids.get(model_call_id, [])]


def _misbehaved(message: str) -> Failure:
    return Failure("ModelBehaviorError", message)
