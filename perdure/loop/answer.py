"""Reads a model's answer: which calls it makes, whether it is the last word, what in it cannot be followed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from perdure.canonical import digest_of
from perdure.definition import AgentDefinition
from perdure.items import is_reference, message_refusal, message_text
from perdure.limits import MAX_CALLS_PER_RESPONSE
from perdure.loop.records import Failure, Final, ModelAnswer
from perdure.loop.state import Frame, LoopState

# Calls that this machine would have to run by other means than a function; no agent here has such tools.
_LOCAL_CALLS = ("computer_call", "local_shell_call", "shell_call", "apply_patch_call", "custom_tool_call")

# What types end with that the provider did on its own account: without a message the model has more to say.
_PROVIDER_GOES_ON = ("_call", "_request", "tool_search_output")


class MadeCall(NamedTuple):
    """A call as the model made it, and the name of its tool and arguments."""

    item: dict[str, Any]
    digest: str


@dataclass(slots=True)
class Reading:
    """What an answer amounts to.

    Attributes:
        items: What enters the transcript: all but calls that were made and answered before.
        calls: The calls of function tools among them, unknown ones too where the model is to be told.
        handoffs: The calls of handoffs among them.
        final: The final output, if it has one.
        failure: Why it cannot be the last word, although there is nothing else to do.
        used_provider_tools: Whether the provider ran tools for it.
    """

    items: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    calls: list[MadeCall] = field(default_factory=list[MadeCall])
    handoffs: list[MadeCall] = field(default_factory=list[MadeCall])
    final: Final | None = None
    failure: Failure | None = None
    used_provider_tools: bool = False


def read_answer(state: LoopState, frame: Frame, answer: ModelAnswer) -> Reading | Failure:
    """What the answer amounts to, or why it cannot be followed; changes nothing.

    A call that comes again, same id, tool and arguments, is not made again. An id that comes again with another call
    is another call: models do repeat ids (GPT-4o did in recorded conversations), and ours never repeat.
    """
    definition = state.definition(frame)
    reading = Reading()
    made: set[tuple[str, str]] = set()
    for item in answer.items:
        if item.get("type") != "function_call":
            if item.get("type") in _LOCAL_CALLS:
                return misbehaved(_lacks_tool(definition, item))
            reading.items.append(item)
            continue
        problem = _problem_with_call(definition, frame, item, answer.disabled)
        if problem:
            return misbehaved(problem)
        digest = _call_digest(item)
        call = (item["call_id"], digest)
        if call in made or digest in _earlier_digests(state, frame, item["call_id"]):
            continue
        made.add(call)
        reading.items.append(item)
        is_handoff = item["name"] in definition.handoffs_by_name and item["name"] not in answer.disabled
        (reading.handoffs if is_handoff else reading.calls).append(MadeCall(item, digest))
    if len(made) > MAX_CALLS_PER_RESPONSE:
        return misbehaved(f"Model made {len(made)} calls in one answer; at most {MAX_CALLS_PER_RESPONSE} are run")
    reading.used_provider_tools = any(_is_provider_tool(item) for item in reading.items)
    if not any(item.get("type") == "function_call" for item in answer.items):
        _read_end(definition, frame, reading, answer.invalid_output)
    return reading


def misbehaved(message: str, kind: str = "") -> Failure:
    """The failure of a run whose model answers with something that cannot be followed."""
    return Failure("ModelBehaviorError", message, kind=kind)


def _call_digest(item: dict[str, Any]) -> str:
    """Names a call's tool and arguments."""
    arguments = item["perdure_blob"]["sha256"] if is_reference(item) else item["arguments"]
    return digest_of([item["name"], arguments])[:12]


def _read_end(definition: AgentDefinition, frame: Frame, reading: Reading, invalid_output: str | None) -> None:
    """What an answer without calls means: the final output, more to come, or nothing that could be one."""
    messages = [item for item in reading.items if item.get("type") == "message"]
    last = messages[-1] if messages else None
    typed = definition.output_format is not None
    refusal = None if last is None or is_reference(last) else message_refusal(last)
    if refusal:
        text = f"Model refused to produce output: {refusal}"
        reading.failure = Failure("ModelRefusalError", text, {"refusal": refusal}, kind="model_refusal")
    elif last is not None and is_reference(last):
        reading.final = Final("typed" if typed else "text", text=None, item=last)
    elif typed and (last is None or not message_text(last)):
        if "invalid_final_output" in frame.rules.error_handlers:
            text = "The model's answer is empty, and the agent's output type wants JSON."
            reading.failure = misbehaved(text, "invalid_final_output")
    elif last is not None:
        reading.final = Final("typed" if typed else "text", text=message_text(last))
    elif not any(str(item.get("type")).endswith(_PROVIDER_GOES_ON) for item in reading.items):
        reading.final = Final(text="")
    if reading.final is not None and invalid_output is not None:
        reading.final, reading.failure = None, misbehaved(invalid_output, "invalid_final_output")


def _is_provider_tool(item: dict[str, Any]) -> bool:
    """Whether it is a tool's use; a search for tools is none, so a forced `tool_choice` outlives it."""
    kind = str(item.get("type"))
    return kind.endswith("_call") and kind not in ("function_call", "tool_search_call")


def _lacks_tool(definition: AgentDefinition, item: dict[str, Any]) -> str:
    name = item.get("name")  # custom tools have names of their own
    if isinstance(name, str):
        return f"Tool {name:.200} not found in agent {definition.name}"
    return f"Model made a {item['type']} but agent {definition.name} has no tool for it"


def _problem_with_call(
    definition: AgentDefinition, frame: Frame, item: dict[str, Any], disabled: frozenset[str]
) -> str | None:
    name, call_id, arguments = item.get("name"), item.get("call_id"), item.get("arguments")
    arguments = "" if is_reference(item) else arguments
    if not isinstance(name, str) or not isinstance(call_id, str) or not isinstance(arguments, str):
        return f"Model made a function call without a name, call id or arguments: {item!r:.200}"
    known = name in definition.tools_by_name or name in definition.handoffs_by_name
    if (not known or name in disabled) and not frame.rules.tell_unknown_tools:
        return f"Tool {name:.200} not found in agent {definition.name}"
    return None


def _earlier_digests(state: LoopState, frame: Frame, model_call_id: str) -> list[str]:
    """The digests of the calls of this frame that bore the id."""
    ours = state.call_ids.get(model_call_id, [])
    return [state.call_digests[call_id] for call_id in ours if call_id.rpartition("/")[0] == frame.path]
