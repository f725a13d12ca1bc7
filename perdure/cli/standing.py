"""How a run stands, in words: who has it, what it does, since when, and what it used."""

from __future__ import annotations

from datetime import datetime, timedelta

from perdure.client.account import Account
from perdure.usage import Usage

_ENDED_OTHERWISE = ("canceled", "terminated", "timed_out")  # ends that the run itself could not note
_MINUTE = 60


def agents_text(account: Account) -> str:
    """The agent that has the run, and the one that it was started with."""
    now, first = account.status.agent, account.started_with
    return now if now == first or not first else f"{now} (begun with {first})"


def standing_text(account: Account) -> str:
    """What it does, and why."""
    if account.execution in _ENDED_OTHERWISE:
        return account.execution
    return f"{account.status.phase}: {account.status.why}"


def began_text(account: Account) -> str:
    """When it began, and how long it took."""
    began = account.began.replace("T", " ")[:19]
    return f"{began} UTC, took {took_text(account.began, account.ended)}" if account.ended else f"{began} UTC"


def turns_text(account: Account) -> str:
    """How often the model has answered; of a thread, for the message that it is at."""
    status = account.status
    limit = "" if status.max_turns is None else f" of {status.max_turns}"
    if status.thread is None:
        return f"{status.turn}{limit}"
    messages = f"{status.thread.taken} message{'' if status.thread.taken == 1 else 's'}, {status.turn} turns"
    now = f"; now at turn {status.turn - status.thread.begun}{limit}" if status.thread.sequence else ""
    return f"{messages}{now}"


def usage_text(used: Usage) -> str:
    """Requests and tokens in words."""
    cached = used.input_tokens_details.cached_tokens
    of_these = f" ({cached} cached)" if cached else ""
    requests = "1 request" if used.requests == 1 else f"{used.requests} requests"
    return f"{requests}, {used.input_tokens} tokens in{of_these}, {used.output_tokens} out"


def took_text(began: str, ended: str) -> str:
    """How long something took, between two moments in ISO 8601."""
    seconds = (datetime.fromisoformat(ended) - datetime.fromisoformat(began)).total_seconds()
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    return str(timedelta(seconds=round(seconds)))
