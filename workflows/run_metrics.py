"""What is counted of runs, by the meter of Temporal's runtime; docs/telemetry.md has the list."""

from __future__ import annotations

from datetime import timedelta

from temporalio.common import MetricMeter

from .changes import Asked, Change, Decided, HandedOff, TurnsBegan
from .run_spans import word_for


class RunMetrics:
    """The instruments of runs."""

    def __init__(self, meter: MetricMeter) -> None:
        self._runs = meter.create_counter("perdure_runs", "runs that have ended")
        self._run_time = meter.create_histogram_timedelta(
            "perdure_run_duration", "from a run's start to its end", "duration"
        )
        self._turns = meter.create_counter("perdure_turns", "turns that have begun")
        self._handoffs = meter.create_counter("perdure_handoffs", "handoffs")
        self._asked = meter.create_counter("perdure_approvals_asked", "calls that wait, or waited, for a decision")
        self._decided = meter.create_counter("perdure_approvals_decided", "those that do not wait any more")
        self._age = meter.create_histogram_timedelta("perdure_approval_wait", "how long calls waited", "duration")

    def count(self, change: Change) -> None:
        """Counts what has happened in a run."""
        match change:
            case TurnsBegan(agent, count):
                self._turns.add(count, {"agent": agent})
            case HandedOff():
                self._handoffs.add(1, {"agent": change.before, "to": change.after})
            case Asked(call):
                self._asked.add(1, {"agent": call.agent, "tool": call.tool})
            case Decided(call):
                labels = {"agent": call.agent, "tool": call.tool, "decision": word_for(change.decision)}
                self._decided.add(1, labels)
                self._age.record(_duration(change.ended_ns - call.since_ns), labels)
            case _:
                pass

    def ended(self, agent: str, error: str, nanoseconds: int) -> None:
        """Counts a run that has ended; `error` is what it ended in, if in one."""
        labels = {"agent": agent, "outcome": error or "completed"}
        self._runs.add(1, labels)
        self._run_time.record(_duration(nanoseconds), labels)


def _duration(nanoseconds: int) -> timedelta:
    return timedelta(microseconds=max(nanoseconds, 0) / 1000)
