"""A run's state as JSON, in which another run can go on: at a pause as the run tells it, at a turn's end as it is made.

What is in flight is not part of it: what was begun and not ended is begun again, so it is taken where nothing is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from perdure.canonical import canonical
from perdure.contracts.run import ChunkView, PageEntry, ResponseView, problems_of
from perdure.contracts.tokens import RequestTokens, Tokens, request_tokens, request_usage
from perdure.contracts.told import GuardrailView, KeptView
from perdure.definition import RunRules, SessionDefinition, Snapshot
from perdure.errors import UserError
from perdure.loop.frames import begin_turn
from perdure.loop.records import Entry, GuardrailRecord, Kept, ResponseRecord, SentInput, Transcript
from perdure.loop.saving import go_on_with
from perdure.loop.showing import prune
from perdure.loop.state import Frame, LoopState
from perdure.transcript import chain_start_below
from perdure.usage import Usage

REQUESTS_TOLD = 4000  # about 100 KB

_adapter: TypeAdapter[LoopState] = TypeAdapter(LoopState)


def freeze(state: LoopState) -> dict[str, Any]:
    """The state as JSON."""
    frozen: dict[str, Any] = _adapter.dump_python(state, mode="json")
    frozen["in_flight"], frozen["deferred"] = {}, {}
    _leave_out(frozen, state)
    frozen["requests"] = requests_of(state.usage, REQUESTS_TOLD)
    for frame in _frames(frozen["root"]):
        if frame["shown"]["epoch"] == frame["record"]["epoch"]:
            frame["shown"] = None
        if frame["session"] is None:
            del frame["session"]
        _plain(frame, frame["record"], frame["shown"], frame["pruned"])
    _freeze_thread(frozen)
    return frozen


def _leave_out(frozen: dict[str, Any], state: LoopState) -> None:
    """Leaves out what earlier versions did not say, and most runs never say."""
    frozen["steering"]["stopped"] = []
    if not state.steering.is_held:
        del frozen["steering"]
    for frame in _frames(frozen["root"]):
        for name in ("stopping", "cuts", "begun"):
            if not frame[name]:
                del frame[name]
    _leave_out_usages(frozen)


def _leave_out_usages(frozen: dict[str, Any]) -> None:
    """Leaves out what nothing was used of, and costs that nobody knows."""
    frozen["usage"]["request_usage_entries"] = []
    if frozen["inherited"] is None:
        del frozen["inherited"]
    for frame in _frames(frozen["root"]):
        frame["used"]["request_usage_entries"] = []
        if not frame["used"]["requests"]:
            del frame["used"]
    for usage in _usages(frozen):
        if not usage["priced_requests"]:
            del usage["priced_requests"], usage["priced_usd"]


def _usages(frozen: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What was used, wherever a frozen state says it."""
    thread, frames = frozen["thread"], _frames(frozen["root"])
    yield from filter(None, [frozen["usage"], frozen.get("inherited"), thread and thread["used"]])
    threads: list[dict[str, Any]] = [] if thread is None else [thread]
    for each in (*frames, *threads):
        yield from (answer["usage"] for answer in each["responses"])
        yield from (ended["usage"] for ended in each.get("ended", ()))
    yield from (frame["held"]["usage"] for frame in frames if frame["held"] is not None)
    yield from (frame["used"] for frame in frames if "used" in frame)


def _plain(frame: dict[str, Any], *transcripts: dict[str, Any] | None) -> None:
    """Leaves out what only a thread's messages have, where they have it not, and digests of items."""
    if (session := frame.get("session")) is not None and session["kept"] is None:
        del session["kept"]
    for transcript in filter(None, transcripts):
        if not transcript["given"]:
            del transcript["given"]
        for entry in transcript["entries"]:
            entry[4] = ""  # the chain starts anew in another run


def _freeze_thread(frozen: dict[str, Any]) -> None:
    thread = frozen["thread"]
    if thread is None:
        del frozen["thread"]
        return
    if thread["history"]["epoch"] == frozen["root"]["record"]["epoch"]:
        thread["history"] = None
    else:
        for entry in thread["history"]["entries"]:
            entry[4] = ""


def thaw(frozen: dict[str, Any]) -> LoopState:
    """The state that `freeze` wrote; its transcripts have no chain until `rebase` gives them one.

    Raises:
        UserError: It cannot be read.
    """
    try:
        for frame in _frames(frozen["root"]):
            frame["shown"] = frame["shown"] or frame["record"]
        if (thread := frozen.get("thread")) is not None:
            thread["history"] = thread["history"] or frozen["root"]["record"]
        state = _adapter.validate_python(frozen)
    except (KeyError, TypeError) as error:
        raise UserError(f"The state of a run cannot be read: {error!r:.200}.") from None
    except ValidationError as error:
        raise UserError(f"The state of a run cannot be read: {problems_of(error)}") from None
    for frame in state.frames():
        if frame.shown.epoch == frame.record.epoch:
            frame.shown = frame.record
    if state.thread is not None and state.thread.history.epoch == state.root.record.epoch:
        state.thread.history = state.root.record
    state.usage.request_usage_entries = [request_usage(each) for each in frozen.get("requests", [])]
    return state


def rebase(state: LoopState, origin: str) -> None:
    """Gives the state's transcripts their chains in the run whose first transcript starts at `origin`.

    Of what is sealed only the digests are at hand, so a sealed transcript keeps its origin.
    """
    for frame in state.frames():
        shares = frame.shown is frame.record
        frame.record = _rebased(frame.record, frame.path, origin)
        frame.shown = frame.record if shares else _rebased(frame.shown, frame.path, origin)
        frame.pruned = None if frame.pruned is None else _rebased(frame.pruned, frame.path, origin)
    if (thread := state.thread) is not None:
        shares = thread.history.epoch == state.root.record.epoch
        thread.history = state.root.record if shares else _rebased(thread.history, "", origin)


def _rebased(transcript: Transcript, path: str, origin: str) -> Transcript:
    is_first = not path and not transcript.epoch
    start = origin if is_first else chain_start_below(origin, path, transcript.epoch)
    if transcript.sealed or transcript.origin == origin:  # the latter where a thread's history goes on otherwise
        start = transcript.origin
    sent = transcript.sent if start == transcript.origin else 0
    fresh = Transcript(start, transcript.epoch, sent=sent, sealed=transcript.sealed, given=transcript.given)
    for entry in transcript.entries:
        fresh.append(entry.data, entry.kind, entry.agent, entry.turn, entry.target)
    return fresh


def _frames(root: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    waiting = [root]
    while waiting:
        frame = waiting.pop()
        found.append(frame)
        waiting += [call["child"] for call in frame["calls"] if call.get("child")]
    return found


def carried_items(frozen: dict[str, Any], path: str, epoch: int) -> tuple[list[ChunkView], list[bytes]]:
    """The items of one of its transcripts that a frozen state carries: sealed ones, and the newest themselves."""
    for frame in _frames(frozen["root"]):
        for transcript in (frame["record"], frame["shown"], frame["pruned"]):
            if frame["path"] == path and transcript and transcript["epoch"] == epoch:
                chunks = [ChunkView(**chunk) for chunk in transcript["sealed"]]
                return chunks, [entry[0].encode() for entry in transcript["entries"]]
    return [], []


def closed_state(
    *,
    agent_name: str,
    agent: str,
    record: list[PageEntry],
    shown: list[PageEntry] | None,
    responses: list[ResponseView],
    usage: Tokens,
    requests: list[RequestTokens],
    guardrails: list[GuardrailView],
    turn: int,
    max_turns: int | None,
    input_is_text: bool,
    context: dict[str, Any] | None,
    snapshot: Snapshot | None,
    kept: KeptView | None,
    inputs: list[SentInput],
) -> dict[str, Any]:
    """The state of a run at the end of a turn: the next thing is a model call."""
    record_transcript, records = _transcript(record, 0), [_response(view, record) for view in responses]
    frame = Frame(
        path="",
        agent=agent,
        rules=snapshot.rules if snapshot is not None else RunRules(),
        record=record_transcript,
        shown=record_transcript if shown is None else _transcript(shown, 1),
        max_turns=max_turns,
        input_is_text=input_is_text,
        turn=turn,
        responses=records,
        agents_with_tool_use={entry.agent for entry in record if entry.kind in ("output", "value", "handoff")},
        guardrails=[GuardrailRecord(**view.model_dump()) for view in guardrails],
        epochs=1 if shown is None else 2,
        pending=inputs,
    )
    prune(frame, "")
    frame.kept = None if kept is None else kept_so_far(kept, records, frame.requested)
    begin_turn(frame)
    state = LoopState(agent_name, frame, snapshot, context=context, usage=_total(usage, requests))
    state.message_ids = [each.message_id for each in inputs]
    return freeze(state)


def with_session(frozen: dict[str, Any], session: SessionDefinition | None) -> dict[str, Any]:
    """The state with the session that it goes on with, if there is one; nothing that was said so far is told to it."""
    if session is None:
        return frozen
    state = thaw(frozen)
    go_on_with(state.root, session)
    return freeze(state)


def _total(usage: Tokens, requests: list[RequestTokens]) -> Usage:
    total = usage.usage()
    total.request_usage_entries = [request_usage(each) for each in requests]
    return total


def kept_so_far(view: KeptView, responses: list[ResponseRecord], requested: Transcript) -> Kept:
    """What the provider keeps of a conversation: all up to the last answer."""
    if not responses:
        return Kept(view.conversation_id, view.began_after, view.chains, 0, view.began_after)
    last = responses[-1]
    followed = last.response_id if view.chains else None
    before = requested.first + sum(entry.turn < last.turn for entry in requested.entries)
    delivered = min(before + last.count, requested.count)
    return Kept(view.conversation_id, followed, view.chains, delivered, view.began_after)


def _transcript(entries: list[PageEntry], epoch: int) -> Transcript:
    stored = [Entry(canonical(entry.item), entry.kind, entry.agent, entry.turn, "", entry.target) for entry in entries]
    return Transcript("", epoch, stored)


def _response(view: ResponseView, record: list[PageEntry]) -> ResponseRecord:
    items = view.items
    if items is None:
        items = [entry.item for entry in record[view.first : view.first + view.count]]
    return ResponseRecord(
        view.turn,
        view.agent,
        view.first,
        view.count,
        view.usage.usage_of_answer(),
        view.response_id,
        view.request_id,
        [canonical(item) for item in items] if view.items is not None else None,
        view.raw_usage,
    )


def page_entry(entry: Entry) -> PageEntry:
    """An item of a transcript as it is told."""
    extras: dict[str, Any] = {"target": entry.target} if entry.target else {}
    return PageEntry(item=json.loads(entry.data), kind=entry.kind, agent=entry.agent, turn=entry.turn, **extras)


def response_view(record: ResponseRecord) -> ResponseView:
    """A model's answer as it is told."""
    extras: dict[str, Any] = {}
    if record.items is not None:
        extras["items"] = [json.loads(item) for item in record.items]
    if record.raw_usage is not None:
        extras["raw_usage"] = record.raw_usage
    return ResponseView(
        turn=record.turn,
        agent=record.agent,
        first=record.first,
        count=record.count,
        usage=Tokens.of(record.usage),
        response_id=record.response_id,
        request_id=record.request_id,
        **extras,
    )


def requests_of(usage: Usage, limit: int) -> list[RequestTokens]:
    """The tokens of the last model calls."""
    return [request_tokens(each) for each in usage.request_usage_entries[-limit:]]
