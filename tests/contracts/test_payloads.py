"""What crosses a process border arrives as it left."""

from __future__ import annotations

import inspect
import json
from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import pytest
from pydantic import ValidationError
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.converter import PayloadCodec, WorkflowSerializationContext

from perdure import definition
from perdure.contracts import effects, messages, run, said, sealing, sessions, steps, threads, tokens
from perdure.contracts.converter import data_converter
from perdure.definition import AgentDefinition, Frozen, Snapshot, ToolDefinition

CONVERTER = data_converter.payload_converter

TOKENS = tokens.Tokens(requests=1, input=10, output=5)
ITEM = {"role": "user", "content": "Grüße 🙂", "n": [1, 1.5, None, True]}
TOOL = ToolDefinition(name="look", wire={"type": "function"}, needs_approval="rule", include=("a", "b"), effect="once")
AGENT = AgentDefinition(name="Support", tools=(TOOL,), settings={"temperature": 0.0})
SNAPSHOT = Snapshot(start="Support", agents={"Support": AGENT})
CURSOR = steps.Cursor(origin="00", digest="02", count=2, base="01", base_count=1)
PAGE = run.TranscriptPage(
    first=0,
    entries=[run.PageEntry(item=ITEM, kind="value", agent="Support", turn=1)],
    responses=[run.ResponseView(turn=1, agent="Support", first=0, count=1, usage=TOKENS, response_id="resp_1")],
    count=1,
    before="00",
    digest="01",
)
APPROVAL = messages.ApprovalView(
    call_id="2.0",
    tool="look",
    arguments="{}",
    agent="Support",
    digest="ab",
    since="2026-01-01T00:00:00+00:00",
    expires="2026-02-01T00:00:00+00:00",
    item=ITEM,
)
CALL = messages.CallView(call_id="2.0", tool="look", phase="done", digest="ab", item=ITEM, output=ITEM)

STEP: dict[str, Any] = {"root": "Support", "agent": "Support", "path": "1.0", "opened_by": ("Support", "ask")}
TOOL_CALL = steps.ToolCall(**STEP, call_id="2.0", model_call_id="c1", tool="look", fingerprint="ab", context={"a": 1})
OUTPUT = steps.Output(kind="value", text="[1]", item=ITEM)
RESULT = steps.FunctionResult(tool="look", call_id="c1", item=ITEM, is_value=True)
NAMED = steps.TranscriptName(path="1.0", epoch=1, count=3)
BUILT = steps.BuiltInput(items=[ITEM], is_text=False, tool_input={"a": 1})
CHOSEN = steps.ChosenOutput(is_final=True, output=OUTPUT)
HANDED_OFF = steps.HandedOff(agent="B", definitions={"B": AGENT})
EDITED = steps.EditedHistory(input=[said.EditedItem(place=0)], new=[said.EditedItem(item=ITEM, kind="output")])
CHUNK = run.ChunkView(sha256="ab", count=2, digest="02", inputs=1)
REWRITTEN = said.RewrittenTranscript(chunks=[CHUNK], entries=PAGE.entries)
REWRITE = said.Rewrite(record=NAMED, turn_start=2, origins=["00", "01", "02"], kept_bytes=10)
HANDLED = steps.HandledError(output=OUTPUT, include_in_history=False)

CHAT = definition.SessionDefinition(session_id="chat", limit=5, store={"kind": "sqlite", "path": "chat.db"})

ATTEMPT = effects.Attempt(
    token="t", run_id="r", execution="e", call_id="2.0", activity_id="tool.2.0-ab", attempt=1, tool="look",
    call="look()", digest="ab", at="2026-01-01T00:00:00+00:00",
)  # fmt: skip

# One of each model, with what an ordinary run puts into it.
SAMPLES: list[Frozen] = [
    TOOL,
    AGENT,
    SNAPSHOT,
    TOKENS,
    PAGE,
    *PAGE.entries,
    *PAGE.responses,
    CURSOR,
    APPROVAL,
    CALL,
    run.RunSettings(config={"model": "m"}, tool_output_format="str", approval_timeout_seconds=5.0),
    run.GuardrailView(kind="tool_input", source="tool", index=0, name="calm", agent="Support", output_info={"a": 1}),
    run.KeptView(conversation_id="conv_1", began_after="resp_0"),
    definition.GuardrailDefinition(name="calm", parallel=True),
    definition.RunRules(hooks=("on_agent_start",), max_parallel_tools=2),
    definition.AgentToolDefinition(agent="Support", on_failure="raise"),
    definition.HandoffDefinition(tool_name="transfer_to_b", wire={"type": "function"}, agent="B"),
    definition.RetryDefinition(attempts=3),
    run.ThreadStart(agents="a digest"),
    threads.ThreadMessage(message_id="m1", input=[ITEM], agent="Support", agents="a digest", snapshot=SNAPSHOT),
    threads.OutcomeRequest(sequence=3, since="queued"),
    threads.CloseMessage(by="ana"),
    threads.MessageReceipt(
        thread="thread/t", execution="e", sequence=3, message_id="m1", verdict="accepted", explanation="It is number 3."
    ),
    threads.FailureView(type="UserError", message="no"),
    threads.MessageOutcome(sequence=3, message_id="m1", phase="queued", ahead=2),
    threads.CloseReceipt(ahead=2),
    threads.ThreadView(taken=3, queued=1, sequence=2, begun=4),
    run.RunInput(agent="Support", snapshot=SNAPSHOT, input=[ITEM], max_turns=None, context={"a": 1}),
    run.PageRequest(start=5),
    run.InputView(message_id="m1", items=[ITEM], by="ana"),
    run.RunOutcome(agent="Support", turns=1, usage=TOKENS, tail=PAGE, final_output="bye", context={"a": 1}),
    steps.SnapshotInput(agent="Support", settings=run.RunSettings(group_id="g")),
    steps.SnapshotOutput(snapshot=SNAPSHOT),
    steps.StepInput(**STEP),
    steps.CallModelInput(**STEP, definition="ab", turn=1, cursor=CURSOR, items=[ITEM], usage=TOKENS),
    steps.CallModelOutput(items=[ITEM], usage=TOKENS, disabled=["look"]),
    TOOL_CALL,
    steps.CallToolOutput(item=ITEM, is_value=True, context_changes={"a": 2}),
    OUTPUT,
    steps.GuardrailInput(**STEP, kind="output", source="run", index=0, name="calm", output=OUTPUT),
    steps.GuardrailOutput(behavior="reject", message="no", output_info={"a": 1}),
    steps.HookInput(**STEP, event="on_tool_end", call=TOOL_CALL, output=OUTPUT),
    steps.HookOutput(context_changes={"a": 2}),
    RESULT,
    NAMED,
    steps.CallUserInput(**STEP, role="tool_use_behavior", results=[RESULT], transcript=NAMED),
    BUILT,
    CHOSEN,
    HANDED_OFF,
    EDITED,
    *EDITED.input,
    HANDLED,
    CHUNK,
    REWRITTEN,
    REWRITE,
    CHAT,
    sessions.ReadSessionInput(**STEP, session=CHAT, cursor=CURSOR, items=[ITEM], origin="00"),
    sessions.ReadSessionOutput(chunks=[CHUNK], entries=PAGE.entries, new=[ITEM], last=["ab"]),
    sessions.WriteSessionInput(**STEP, session=CHAT, key="ab.1", items=[ITEM], last=["ab"], again=True),
    sessions.WriteSessionOutput(last=["ab"]),
    sealing.SealInput(start=0, upto=2, before="00"),
    sealing.SealOutput(chunks=[CHUNK]),
    sealing.SealedItems(entries=PAGE.entries, responses=PAGE.responses),
    steps.CallUserOutput(built=BUILT, chosen=CHOSEN, handed_off=HANDED_OFF, edited=EDITED, handled=HANDLED),
    messages.DecisionMessage(call_id="2.0", by="ana", always=True),
    messages.UpdateMessage(call_id="2.0", decision="approve"),
    messages.ResolutionMessage(call_id="2.0", outcome="happened", result="ok", by="ana"),
    messages.DeclinedView(
        step="tool.2.0", reason="no such tool", times=2, within_seconds=4.0, call_id="2.0", tool="look"
    ),
    messages.UnknownView(call_id="2.0", tool="look", arguments="{}", agent="Support", digest="ab", why="lost"),
    ATTEMPT,
    effects.Told(verdict="done", attempt=ATTEMPT, output=steps.CallToolOutput(item=ITEM), note="so it is"),
    effects.EffectView(key="a", status="claimed", attempt=ATTEMPT, late=["b"]),
    effects.ResolveEffectInput(call=TOOL_CALL, outcome="retry", by="ana"),
    messages.Receipt(call_id="2.0", verdict="accepted", explanation="Call 2.0 is approved."),
    messages.SendMessage(message_id="m1", input=[ITEM], by="ana", withdraw=["m0"]),
    messages.SendReceipt(message_id="m1", verdict="accepted", explanation="Message m1 is taken."),
    messages.StatusView(
        agent="Support",
        phase="finished",
        why="done",
        turn=1,
        max_turns=None,
        items=1,
        usage=TOKENS,
        calls=[CALL],
        approvals=[APPROVAL],
    ),
]
STRICT = (
    messages.DecisionMessage,
    messages.UpdateMessage,
    messages.ResolutionMessage,
    messages.SendMessage,
    threads.ThreadMessage,
    threads.OutcomeRequest,
    threads.CloseMessage,
)
MODULES = [definition, run, said, sealing, sessions, steps, effects, messages, threads, tokens]
BY_NAME = {type(sample).__name__: sample for sample in SAMPLES}


def name(sample: Frozen) -> str:
    return type(sample).__name__


def payload(data: bytes, encoding: bytes = b"json/plain", **metadata: bytes) -> Payload:
    return Payload(metadata={"encoding": encoding, **metadata}, data=data)


def models(module: ModuleType) -> list[str]:
    return [
        each.__name__
        for _, each in inspect.getmembers(module, inspect.isclass)
        if issubclass(each, Frozen) and each is not Frozen and each.__module__ == module.__name__
    ]


@pytest.mark.parametrize(
    "module",
    [definition, run, said, sealing, sessions, steps, effects, messages, threads],
    ids=lambda module: module.__name__,
)
def test_every_model_has_a_sample_here(module: ModuleType) -> None:
    assert [each for each in models(module) if each not in BY_NAME] == []


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_a_model_arrives_as_it_left(sample: Frozen) -> None:
    (arrived,) = CONVERTER.from_payloads(CONVERTER.to_payloads([sample]), [type(sample)])
    assert arrived == sample
    assert type(arrived) is type(sample)


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_only_what_was_set_travels(sample: Frozen) -> None:
    (sent,) = CONVERTER.to_payloads([sample])
    assert set(json.loads(sent.data)) == sample.model_fields_set


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_a_model_that_arrived_travels_on_as_the_same_bytes(sample: Frozen) -> None:
    (sent,) = CONVERTER.to_payloads([sample])
    (arrived,) = CONVERTER.from_payloads([sent], [type(sample)])
    assert CONVERTER.to_payloads([arrived]) == [sent]


@pytest.mark.parametrize("sample", SAMPLES, ids=name)
def test_a_model_cannot_be_changed(sample: Frozen) -> None:
    field = next(iter(type(sample).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(sample, field, None)


@pytest.mark.parametrize("sample", [each for each in SAMPLES if not isinstance(each, STRICT)], ids=name)
def test_fields_of_a_later_version_are_ignored(sample: Frozen) -> None:
    (sent,) = CONVERTER.to_payloads([sample])
    more = payload(json.dumps({**json.loads(sent.data), "of_tomorrow": {"a": 1}}).encode())
    assert CONVERTER.from_payloads([more], [type(sample)]) == [sample]


@pytest.mark.parametrize("kind", STRICT)
def test_a_message_with_an_unknown_field_is_none(kind: type[Frozen]) -> None:
    with pytest.raises(ValidationError, match="allways"):
        kind.model_validate({"call_id": "2.0", "decision": "approve", "allways": True})


@pytest.mark.parametrize(
    "fields", [{"call_id": 2.0}, {"call_id": None}, {"always": "yes"}, {"always": 1}, {"by": 5}, {"digest": b"ab"}]
)
def test_a_decision_guesses_no_types(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        messages.DecisionMessage.model_validate({"call_id": "2.0", **fields})


@pytest.mark.parametrize("verb", ["Approve", "yes", "", None, True])
def test_an_update_says_approve_or_reject(verb: Any) -> None:
    with pytest.raises(ValidationError):
        messages.UpdateMessage.model_validate({"call_id": "2.0", "decision": verb})


@pytest.mark.parametrize("requests", [0, 1, 7])
def test_tokens_are_the_totals_of_a_usage_without_its_zeros(requests: int) -> None:
    told = tokens.Tokens(**{name: value for name, value in {"requests": requests, "input": 10}.items() if value})
    again = tokens.Tokens.of(told.usage())
    assert again == told
    assert again.model_fields_set == told.model_fields_set


def test_tokens_come_back_as_a_usage() -> None:
    used = tokens.Tokens(requests=3, input=10, output=5, cached=4, reasoning=2).usage()
    assert (used.requests, used.total_tokens, used.input_tokens_details.cached_tokens) == (3, 15, 4)
    assert (used.output_tokens_details.reasoning_tokens, used.request_usage_entries) == (2, [])


def test_the_usage_of_an_answer_has_an_entry_for_each_attempt() -> None:
    used = tokens.Tokens(requests=3, input=10, output=5, other=2).usage_of_answer()
    assert [entry.total_tokens for entry in used.request_usage_entries] == [0, 0, 17]
    assert tokens.Tokens.of(used) == tokens.Tokens(requests=3, input=10, output=5, other=2)


def test_the_tokens_of_one_request_come_back_with_its_entry() -> None:
    (entry,) = tokens.Tokens(requests=1, input=10, output=5, cached=4).usage().request_usage_entries
    assert (entry.total_tokens, entry.input_tokens_details.cached_tokens) == (15, 4)


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "text", "Grüße 🙂", [1, [2]], {"a": {"b": None}}, {}], ids=repr)
def test_plain_json_is_read_without_a_type(value: Any) -> None:
    assert CONVERTER.from_payloads(CONVERTER.to_payloads([value])) == [value]


@pytest.mark.parametrize(
    "malformed",
    [
        payload(b"{"),
        payload(b""),
        payload(b"\xff\xfe"),
        payload(b'"\\ud83d"'),
        payload(b"[" * 100_000),
        payload(b"1" * 10_000 + b"x"),
        payload(b"anything", b"binary/encrypted"),
        payload(b"anything", b""),
        payload(b"anything", b"\xff"),
        payload(b"\x00\x01", b"binary/protobuf", messageType=b"no.such.Type"),
        payload(b"{}", b"json/protobuf", messageType=b"no.such.Type"),
        Payload(data=b"anything"),
        Payload(),
    ],
)
def test_what_cannot_be_read_without_a_type_stays_raw(malformed: Payload) -> None:
    (read,) = CONVERTER.from_payloads([malformed])
    assert isinstance(read, RawValue)
    assert read.payload == malformed


def test_one_payload_that_cannot_be_read_spoils_no_other() -> None:
    first, raw, last = CONVERTER.from_payloads([payload(b"1"), payload(b"{"), payload(b'"a"')])
    assert (first, type(raw), last) == (1, RawValue, "a")


def test_what_has_a_type_must_have_it() -> None:
    with pytest.raises(ValidationError):
        CONVERTER.from_payloads([payload(b'{"agent": 5}')], [run.RunInput])


def test_no_payloads_are_no_values() -> None:
    assert CONVERTER.from_payloads([]) == []


class Plain(PayloadCodec):
    """A codec that goes by nothing."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return list(payloads)


@pytest.mark.parametrize("codec", [None, Plain()])
def test_a_codec_that_goes_by_nothing_stays_whosever_payload_it_is(codec: PayloadCodec | None) -> None:
    converter = replace(data_converter, payload_codec=codec)
    assert converter.with_context(WorkflowSerializationContext("default", "run-1")) is converter
