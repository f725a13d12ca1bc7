"""Says in which way a conversation went otherwise than recorded."""

from __future__ import annotations

from typing import Any

from .conversations import Conversation


def differences(report: dict[str, Any], conversation: Conversation) -> list[str]:
    """What the recorded model was sent otherwise than recorded, or was never asked, one sentence each.

    Args:
        report: The model's counts for the conversation.
        conversation: As it was recorded.
    """
    found = [_difference(mismatch, conversation) for mismatch in report["mismatches"]]
    if report["mismatch_count"] > len(found):
        found.append(f"{report['mismatch_count'] - len(found)} more items differ")
    for counted, recorded in (("outputs_compared", "outputs_recorded"), ("answers_given", "answers_recorded")):
        if report[counted] != report[recorded]:
            found.append(f"{counted.replace('_', ' ')}: {report[counted]} of {report[recorded]}")
    return found


def _difference(mismatch: dict[str, Any], conversation: Conversation) -> str:
    nothing = {"kind": "nothing", "text": "", "call_id": ""}
    expected: dict[str, str] = mismatch["expected"] or nothing
    actual: dict[str, str] = mismatch["actual"] or nothing
    entry = actual if expected is nothing else expected
    calls = [call for turn in conversation.turns for step in turn.steps for call in step.calls]
    tools = [call.name for call in calls if call.call_id == entry["call_id"]]
    what = f"{entry['kind']} of {tools[0]}" if tools else entry["kind"]
    recorded, now = _around_difference(expected["text"], actual["text"])
    return f"{what} (item {mismatch['position']} of the conversation): recorded {recorded!r}, now {now!r}"


def _around_difference(one: str, other: str) -> tuple[str, str]:
    """Where two texts begin to differ, with some characters before it."""
    pairs = enumerate(zip(one, other, strict=False))
    at = next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))
    start, end = max(0, at - 20), at + 60
    return one[start:end], other[start:end]
