"""Reading answers of the Chat Completions API, as items of the Responses API."""

from __future__ import annotations

from typing import Any

from perdure.errors import ModelBehaviorError
from perdure.model import ModelAnswer
from perdure.usage import Usage

from .chat_messages import REASONING_FIELD
from .failures import HollowAnswer, UnusableAnswer
from .openai_answers import as_object, count, counted, json_object, objects

NO_ID = "__fake_id__"  # this API gives items no ids; the Agents SDK's own placeholder, which is never sent
_WITHHELD = "Response withheld by the provider's content filter."
_CUT = {
    "length": "it was cut at the limit of tokens. Raise max_tokens in the agent's model settings, or ask for less.",
    "model_length": "it was cut at the model's own limit. Shorten the conversation.",  # Mistral's word
    "content_filter": "the provider's content filter cut it off.",
}
_BROKEN_OFF = ("error", "insufficient_system_resource")  # Mistral's and OpenRouter's, DeepSeek's


def read_completion(content: bytes, request_id: str | None, model: str, *, keep_raw_usage: bool = False) -> ModelAnswer:
    """Reads an answer's body.

    Raises:
        UnusableAnswer: The body is no answer, or the provider broke it off; another may be whole.
        HollowAnswer: The answer has no choices, or a call that cannot be made.
        ModelBehaviorError: The answer is not whole, or holds what has no form among the items of a run.
    """
    fields = json_object(content)
    choice = next(iter(objects(fields.get("choices"))), as_object(None))
    message = as_object(choice.get("message"))
    if not message:
        raise HollowAnswer(f"The model provider's answer has no choices: {content[:200]!r}.")
    _check_whole(choice, message)
    origin: dict[str, Any] = {"model": model}
    if fields.get("id"):
        origin["response_id"] = fields["id"]
    said = _message(message, origin, choice)
    items = [*_thoughts(message, origin), *said, *(_call(call, origin) for call in objects(message.get("tool_calls")))]
    reported = as_object(fields.get("usage"))
    raw_usage = (reported or None) if keep_raw_usage else None
    named, reason = fields.get("model"), choice.get("finish_reason")
    return ModelAnswer(
        items=items,
        usage=_usage(reported),
        request_id=request_id,
        raw_usage=raw_usage,
        model=named if isinstance(named, str) else None,
        finish_reason=reason if isinstance(reason, str) else None,
    )


def _check_whole(choice: dict[str, Any], message: dict[str, Any]) -> None:
    reason = choice.get("finish_reason")
    said = any(message.get(name) for name in ("content", "refusal", "tool_calls"))
    if reason == "content_filter" and not said:
        message["refusal"] = _WITHHELD
    elif reason in _BROKEN_OFF:
        raise UnusableAnswer(f"The model provider broke its answer off (finish_reason {reason!r}).")
    elif reason in _CUT:
        raise ModelBehaviorError(f"The model's answer is incomplete: {_CUT[reason]}")
    if message.get("audio"):
        raise ModelBehaviorError("The model answered with audio, which a run cannot hold; ask for text.")


def _message(message: dict[str, Any], origin: dict[str, Any], choice: dict[str, Any]) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = []
    if message.get("content"):
        logprobs = [_logprob(one) for one in objects(as_object(choice.get("logprobs")).get("content"))]
        annotations = [cited for one in objects(message.get("annotations")) if (cited := _citation(one))]
        text = {"type": "output_text", "text": message["content"], "annotations": annotations, "logprobs": logprobs}
        content.append(text)
    if message.get("refusal"):
        content.append({"type": "refusal", "refusal": message["refusal"]})
    if not content:
        return []
    fixed = {"id": NO_ID, "role": "assistant", "type": "message", "status": "completed"}
    return [{**fixed, "content": content, "provider_data": origin}]


def _thoughts(message: dict[str, Any], origin: dict[str, Any]) -> list[dict[str, Any]]:
    """What the model thought, in whichever of the fields its server uses for that."""
    summary, text = message.get("reasoning_content"), message.get("reasoning")
    blocks = objects(message.get("thinking_blocks"))
    item: dict[str, Any] = {"id": NO_ID, "type": "reasoning", "summary": [], "provider_data": dict(origin)}
    if summary:
        item["summary"] = [{"type": "summary_text", "text": summary}]
    if blocks:
        item["provider_data"]["thinking_blocks"] = blocks
        thoughts = [block["thinking"] for block in blocks if block.get("thinking")]
        item["content"] = [{"type": "reasoning_text", "text": thought} for thought in thoughts]
        signatures = [block["signature"] for block in blocks if block.get("signature")]
        if signatures:
            item["encrypted_content"] = "\n".join(signatures)
    elif isinstance(text, str) and text and not summary:
        item["provider_data"][REASONING_FIELD] = "reasoning"
        item["content"] = [{"type": "reasoning_text", "text": text}]
    return [item] if summary or "content" in item else []


def _call(call: dict[str, Any], origin: dict[str, Any]) -> dict[str, Any]:
    if call.get("type", "function") != "function":
        raise ModelBehaviorError(f"The model called a tool of type {call.get('type')!r}, which it was not offered.")
    function = as_object(call.get("function"))
    signature = as_object(as_object(call.get("extra_content")).get("google")).get("thought_signature")
    data = {**origin, "thought_signature": signature} if signature else origin
    named = {"call_id": call.get("id"), "name": function.get("name"), "arguments": function.get("arguments") or ""}
    if not isinstance(named["call_id"], str) or not isinstance(named["name"], str):
        raise HollowAnswer(f"The model's answer holds a call without an id or a name: {call!r:.200}.")
    return {"id": NO_ID, "type": "function_call", **named, "provider_data": data}


def _citation(annotation: dict[str, Any]) -> dict[str, Any] | None:
    cited = as_object(annotation.get("url_citation"))
    names = ("start_index", "end_index", "url", "title")
    if annotation.get("type") != "url_citation" or any(cited.get(name) is None for name in names):
        return None
    return {"type": "url_citation", **{name: cited[name] for name in names}}


def _logprob(one: dict[str, Any]) -> dict[str, Any]:
    token: dict[str, Any] = {"token": one["token"], "logprob": one["logprob"], "bytes": one.get("bytes") or []}
    return token if "top_logprobs" not in one else token | {"top_logprobs": list(map(_logprob, one["top_logprobs"]))}


def _usage(reported: dict[str, Any]) -> Usage:
    return counted(
        reported,
        count(reported, "prompt_tokens"),
        count(reported, "completion_tokens"),
        cached_tokens=count(as_object(reported.get("prompt_tokens_details")), "cached_tokens"),
        reasoning_tokens=count(as_object(reported.get("completion_tokens_details")), "reasoning_tokens"),
    )
