"""What steps tell of themselves, in the words of OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from perdure.contracts.sessions import ReadSessionInput, ReadSessionOutput, WriteSessionInput
from perdure.contracts.steps import CallToolOutput, GuardrailInput, GuardrailOutput, ToolCall
from perdure.model import Model, ModelAnswer, ModelRequest, ModelTracing

from . import step_metrics
from .providers.wiring import is_wired
from .step_spans import about, harmless, step_span

_SHOWN_CHARACTERS = 64 * 1024  # of one content, as a collector takes 4 MiB together


@harmless
def asked(request: ModelRequest, model: Model) -> None:
    """A model is asked."""
    span, name = step_span(), name_of(request, model)
    span.labels["model"] = name
    span.rename(f"chat {name}")
    settings = request.settings
    span.tell(
        {
            "gen_ai.provider.name": _provider(name, model),
            "gen_ai.request.model": request.model,
            "gen_ai.request.temperature": settings.temperature,
            "gen_ai.request.top_p": settings.top_p,
            "gen_ai.request.max_tokens": settings.max_tokens,
            "gen_ai.request.stream": True if request.publish is not None else None,
        }
    )
    if span.content:
        items = (json.loads(item) for item in request.input)
        span.tell({"gen_ai.input.messages": _shown(messages_of(items, "user"))})
        span.tell(
            {"gen_ai.system_instructions": _shown(_parts(request.instructions)) if request.instructions else None}
        )


def name_of(request: ModelRequest, model: Model) -> str:
    """What a model is called, where people look: by its name, or by its class."""
    return request.model or type(model).__name__


def stopped() -> None:
    """The model was stopped in the middle of its answer, which is no error."""
    step_span().tell({"gen_ai.response.finish_reasons": ["stopped"]})


def tracing() -> ModelTracing:
    """Whether the model call is traced, as models of the user's own are told."""
    span = step_span()
    if not span.is_recording:
        return ModelTracing.DISABLED
    return ModelTracing.ENABLED if span.content else ModelTracing.ENABLED_WITHOUT_DATA


def _provider(name: str, model: Model) -> str:
    prefix, slash, _ = name.partition("/")
    return prefix if slash else "openai" if is_wired(model) else type(model).__name__


@harmless
def answered(answer: ModelAnswer) -> None:
    """The model has answered."""
    span, usage = step_span(), answer.usage
    step_metrics.used(span.labels, usage)
    calls = any(item.get("type") == "function_call" for item in answer.items)
    span.tell(
        {
            "gen_ai.response.id": answer.response_id,
            "gen_ai.response.model": answer.model,
            "gen_ai.response.finish_reasons": [answer.finish_reason or ("tool_calls" if calls else "stop")],
            "gen_ai.usage.input_tokens": usage.input_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.input_tokens_details.cached_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.output_tokens_details.reasoning_tokens,
            "perdure.cost.usd": usage.cost_usd,
        }
    )
    if span.content:
        span.tell({"gen_ai.output.messages": _shown(messages_of(answer.items, "assistant"))})


@harmless
def began(step: Any) -> None:
    """A step that meets the user's code begins."""
    about(step)
    span = step_span()
    match step:
        case ToolCall():
            span.tell({**_call(step), "gen_ai.tool.type": "function"})
            span.tell({"gen_ai.tool.call.arguments": _cut(step.arguments) if span.content else None})
        case GuardrailInput():
            span.tell({"perdure.guardrail.name": step.name, "perdure.guardrail.kind": step.kind})
            span.tell(_call(step.call) if step.call is not None else {})
        case ReadSessionInput() | WriteSessionInput():
            span.tell({"gen_ai.conversation.id": step.session.session_id})
        case _:
            pass


@harmless
def ended(output: Any) -> None:
    """It has ended."""
    span = step_span()
    match output:
        case CallToolOutput():
            span.tell({"gen_ai.tool.call.result": _shown(output.item.get("output")) if span.content else None})
        case GuardrailOutput():
            span.labels["outcome"] = output.behavior
            span.tell({"perdure.guardrail.outcome": output.behavior})
            span.tell({"perdure.guardrail.info": _shown(output.output_info) if span.content else None})
        case ReadSessionOutput():
            span.tell({"perdure.session.items": len(output.entries)})
        case _:
            pass


def tool_failed(error: BaseException | None) -> None:
    """What a tool's code has raised is the call's outcome; the step goes on."""
    if error is not None:
        step_span().fail(type(error).__name__)


def messages_of(items: Iterable[dict[str, Any]], speaker: str) -> list[dict[str, Any]]:
    """Items of a conversation as messages of the conventions."""
    messages: list[dict[str, Any]] = []
    for item in items:
        match item.get("type"):
            case "function_call":
                part = {"type": "tool_call", "id": item.get("call_id"), "name": item.get("name")}
                messages.append({"role": "assistant", "parts": [{**part, "arguments": item.get("arguments")}]})
            case "function_call_output":
                part = {"type": "tool_call_response", "id": item.get("call_id"), "response": item.get("output")}
                messages.append({"role": "tool", "parts": [part]})
            case "message" | None:
                messages.append({"role": item.get("role", speaker), "parts": _parts(_text(item.get("content")))})
            case kind:
                messages.append({"role": speaker, "parts": [{"type": kind}]})
    return messages


def _text(content: Any) -> str:
    if not isinstance(content, list):
        return str(content or "")
    parts = [cast("dict[str, Any]", part) for part in cast("list[Any]", content) if isinstance(part, dict)]
    return "".join(str(part.get("text", "")) for part in parts)


def _parts(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "content": text}]


def _call(call: ToolCall) -> dict[str, Any]:
    return {
        "gen_ai.tool.name": call.tool,
        "gen_ai.tool.call.id": call.model_call_id,
        "perdure.call.id": call.call_id,
    }


def _shown(value: Any) -> str:
    return _cut(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "…"
