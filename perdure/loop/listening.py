"""A thread takes messages, each once: they wait in order for their turn."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any, Literal

from perdure.canonical import encode
from perdure.limits import MAX_KNOWN_MESSAGES, MAX_QUEUED_BYTES
from perdure.loop.conversing import Message, Thread
from perdure.loop.state import LoopState


@dataclass(slots=True, frozen=True)
class Taken:
    """What became of a message: it waits for its turn, was taken before, or is refused.

    Attributes:
        sequence: Its number, if it was taken.
        explanation: One sentence for the sender.
    """

    verdict: Literal["accepted", "repeated", "other message", "other agents", "too late", "too much"]
    sequence: int
    explanation: str


def open_thread(state: LoopState, agents: str) -> None:
    """Makes a run whose conversation is empty a thread that waits for its first message."""
    state.thread = Thread(state.root.record, agents)
    state.root.stage = "listening"


def judge_message(thread: Thread, message: Message, agents: str) -> Taken:
    """What `take_message` would do with the message; changes nothing.

    Args:
        thread: The thread.
        message: The message; its number is not known yet.
        agents: Names the agents that it wants; they come with it, or are those that the thread has.
    """
    name = message.message_id
    earlier = thread.known.get(name)
    if earlier is not None and earlier[1] == _digest(message):
        return Taken("repeated", earlier[0], f"Message {name} was taken already; it is said once.")
    if earlier is not None:
        text = f"Message {name} was taken before, and said something else; give each message an id of its own."
        return Taken("other message", 0, text)
    if thread.closing or thread.failure is not None:
        return Taken("too late", 0, "The thread was closed and takes no more messages; begin another one.")
    if message.snapshot is None and not message.by_name and agents != thread.agents:
        return Taken("other agents", 0, "The thread has other agents; send them with the message.")
    size = sum(len(encode(_carried(each))) for each in (*thread.queue, message))
    if size > MAX_QUEUED_BYTES:
        text = f"With it {size} bytes of messages would wait, at most {MAX_QUEUED_BYTES} can: send it later, or less."
        return Taken("too much", 0, text)
    sequence = thread.taken + 1
    ahead = len(thread.queue) + (thread.current is not None)
    waits = f" It waits for {ahead} before it." if ahead else ""
    return Taken("accepted", sequence, f"Message {name} is number {sequence} of the thread.{waits}")


def take_message(thread: Thread, message: Message, agents: str) -> Taken:
    """Lets a message wait for its turn, if it is new. Follow it by `settle`."""
    taken = judge_message(thread, message, agents)
    if taken.verdict == "accepted":
        thread.taken = taken.sequence
        thread.agents = "" if message.by_name else agents
        thread.queue.append(replace(message, sequence=taken.sequence))
        known = {**thread.known, message.message_id: (taken.sequence, _digest(message))}
        thread.known = dict(list(known.items())[-MAX_KNOWN_MESSAGES:])
    return taken


def _digest(message: Message) -> str:
    return hashlib.sha256(encode(message.items)).hexdigest()[:12]


def _carried(message: Message) -> dict[str, Any]:
    values = {"items": message.items, "context": message.context, "settings": message.settings}
    snapshot = None if message.snapshot is None else message.snapshot.model_dump(mode="json", exclude_unset=True)
    return {**values, "snapshot": snapshot}


def leave_thread(state: LoopState) -> None:
    """Lets the run of a thread's message go on by itself, in another run.

    Raises:
        ValueError: No message is under way.
    """
    if state.thread is None:
        return
    if state.thread.current is None:
        raise ValueError("it is a thread's, between two messages")
    state.thread, state.root.session = None, None


def close_thread(thread: Thread) -> None:
    """Lets the thread end once no message waits. Follow it by `settle`."""
    thread.closing = True
