"""What a played conversation comes to: for people, and as one line of JSON for programs."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from perdure.connection import Connection

from .playing import Played
from .telling import Teller, shortened


def passed(played: Played, *, kills: bool) -> bool:
    """Whether all was as recorded, and every worker's death was survived.

    Args:
        played: The conversation.
        kills: Whether a worker was to be killed in it, if it has a step to be killed in.
    """
    survived = len(played.survived) == len(played.killed)
    return played.equal and survived and (bool(played.killed) or not kills or not _has_steps(played))


def problems(played: Played, *, kills: bool) -> list[str]:
    """What was not as it should be, one sentence each."""
    found = list(played.problems)
    if len(played.survived) < len(played.killed):
        found.append(f"{len(played.killed)} workers were killed, the step went on {len(played.survived)} times")
    if kills and _has_steps(played) and not played.killed:
        found.append("no worker could be killed in the middle of a step")
    return found


def as_json(played: Played, connection: Connection) -> str:
    """The conversation's line of `--json`."""
    line: dict[str, Any] = {"id": played.conversation.id}
    line |= {name: played.outputs[name] for name in ("outputs_compared", "outputs_equal", "outputs_recorded")}
    line |= {
        "turns": played.turns,
        "approvals": played.approvals,
        "kills_survived": len(played.survived),
        "history_events": played.history_events,
        "history_bytes": played.history_bytes,
        "changes": played.changes,
        "equal": played.equal,
        "ui": runs_url(connection, _listed(played)),
    }
    return json.dumps(line)


def tell(played: Played, teller: Teller, connection: Connection) -> None:
    """The end of a conversation, in a table."""
    outputs, usage = played.outputs, played.usage
    teller.line("", "")
    teller.note("database", f"{len(played.changes)} changes" if played.changes else "not changed")
    for change in played.changes:
        teller.note("", f"- {shortened(change)}")
    teller.note(
        "turns", f"{played.turns} answers of the model to {played.messages} messages, {played.approvals} approvals"
    )
    teller.note("tokens", f"{usage.input_tokens:,} in, {usage.output_tokens:,} out (estimates of the recorded model)")
    teller.note("history", f"{played.history_events:,} events, {played.history_bytes:,} bytes in one thread")
    completed = f"{len(played.survived)} of those steps completed by another"
    teller.note("workers", f"{len(played.killed)} killed in the middle of a step, {completed}")
    compared = f"{outputs['outputs_compared']} compared, {outputs['outputs_equal']} equal"
    teller.note("outputs", f"{outputs['outputs_recorded']} of tools recorded, {compared} to the letter")
    if connection.ui_url is not None:
        teller.line("thread", played.url or "none")


def tell_line(played: Played, teller: Teller, seconds: float) -> None:
    """A conversation among many, in one line."""
    outputs = played.outputs
    killed = ", ".join(step.activity for step in played.survived) or "none"
    teller.line(
        "conversation",
        f" {played.conversation.id}: {outputs['outputs_equal']} of {outputs['outputs_recorded']} outputs equal, "
        f"{played.turns} turns, {played.approvals} approvals, {len(played.changes)} changes, "
        f"{played.history_events} events, {seconds:.0f} s; kills survived: {killed}",
    )


def runs_url(connection: Connection, query: str) -> str | None:
    """The Temporal UI's list of the runs that a query finds; None if its address is unknown."""
    if connection.ui_url is None:
        return None
    namespace = quote(connection.namespace, safe="")
    return f"{connection.ui_url}/namespaces/{namespace}/workflows?query={quote(query, safe='')}"


def _listed(played: Played) -> str:
    return f'WorkflowId STARTS_WITH "thread/{played.thread}"'


def _has_steps(played: Played) -> bool:
    return any(turn.steps for turn in played.conversation.turns)
