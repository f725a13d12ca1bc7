"""The whole account of a run: what was said, what was done and when, who decided. Running or ended, run or thread."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from perdure.client.conversing import ThreadTelling
from perdure.client.execution import Execution
from perdure.client.host import Host
from perdure.client.launching import find_run
from perdure.client.reading import Said
from perdure.client.timing import StepTimes, moment, steps_of
from perdure.connection import run_url
from perdure.contracts.messages import StatusView
from perdure.contracts.run import PageEntry
from perdure.contracts.threads import THREAD_PREFIX

_MODEL = re.compile(r"model\.(\d+)")  # of the run itself: those of agents as tools have a path before the turn
_TOOL = re.compile(r"tool\.([^~]+?)(?:~\d+)?-[0-9a-f]+")


@dataclass(frozen=True)
class Account:
    """A run as it was at one moment.

    Attributes:
        execution: What the server says of it: `"running"`, `"completed"`, `"failed"`, `"canceled"`, `"terminated"`.
        began: ISO 8601, UTC; `ended` likewise, empty while it goes on.
        started_with: The name of the agent that it was started with.
    """

    run_id: str
    started_with: str
    execution: str
    began: str
    ended: str
    queue: str
    url: str | None
    status: StatusView
    said: Said
    steps: list[StepTimes]

    @property
    def thread(self) -> str | None:
        """The thread's name, if it is one."""
        return self.run_id.removeprefix(THREAD_PREFIX) if self.run_id.startswith(THREAD_PREFIX) else None

    @cached_property
    def asked(self) -> dict[int, StepTimes]:
        """When the model was asked for each turn, and answered."""
        return {int(turn[1]): step for step in self.steps if (turn := _MODEL.fullmatch(step.step)) is not None}

    @cached_property
    def ran(self) -> dict[str, StepTimes]:
        """When the tool of each call ran, by the call's id."""
        return {call[1]: step for step in self.steps if (call := _TOOL.fullmatch(step.step)) is not None}

    def at(self, entry: PageEntry, call_id: str) -> str:
        """When an item entered the conversation; empty where nothing tells."""
        if entry.kind == "input" and not entry.turn:
            return self.began if self.thread is None else ""
        if entry.kind in ("output", "value"):
            step = self.ran.get(call_id)
        else:
            step = self.asked.get(entry.turn) if entry.kind in ("answer", "handoff", "handed_off") else None
        return step.ended if step is not None else ""


def call_ids(entries: list[PageEntry]) -> list[str]:
    """The run's own id of the call that each entry makes or answers; empty where it is neither."""
    calls_of: defaultdict[int, int] = defaultdict(int)
    unanswered: defaultdict[str, list[str]] = defaultdict(list)
    ids: list[str] = []
    for entry in entries:
        kind, model_id, call_id = entry.item.get("type"), str(entry.item.get("call_id")), ""
        if kind == "function_call" and entry.kind == "answer":
            call_id = f"{entry.turn}.{calls_of[entry.turn]}"
            calls_of[entry.turn] += 1
            unanswered[model_id].append(call_id)
        elif kind == "function_call_output" and entry.kind in ("output", "value") and unanswered[model_id]:
            call_id = unanswered[model_id].pop(0)
        ids.append(call_id)
    return ids


async def account_of(host: Host, run_id: str, tell: Callable[[str], None]) -> Account:
    """The account of a run; called on the host's background loop.

    Args:
        host: This process.
        run_id: The run, or `thread/NAME`.
        tell: Told how far the reading has come.

    Raises:
        RunNotFound: There is none.
        RunUnattended: Nobody serves it, and this process cannot answer for it.
    """
    caller, found = await find_run(host, run_id)
    kind = ThreadTelling if run_id.startswith(THREAD_PREFIX) else Execution
    execution = kind(host, caller, found)
    status, said = await execution.query("status", StatusView), await execution.said()
    description = await execution.describe()
    connection = await host.connection()
    first = description.raw_description.workflow_execution_info.first_run_id or description.run_id
    steps = await steps_of(connection.client, run_id, first, tell)
    return Account(
        run_id=run_id,
        started_with=caller.agent.name,
        execution=description.status.name.lower() if description.status is not None else "unknown",
        began=moment(description.start_time) if first == description.run_id else steps[0].scheduled if steps else "",
        ended=moment(description.close_time) if description.close_time is not None else "",
        queue=found.queue,
        url=run_url(connection, run_id, description.run_id),
        status=status,
        said=said,
        steps=steps,
    )
