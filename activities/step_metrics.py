"""What is counted of steps, by the meter of the worker that does them; docs/telemetry.md has the list."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from temporalio import activity

from perdure.contracts.steps import CALL_MODEL, CALL_TOOL, CHECK_GUARDRAIL
from perdure.usage import Usage

_KINDS = {CALL_MODEL: "model", CALL_TOOL: "tool", CHECK_GUARDRAIL: "guardrail"}


def ended(activity_type: str, labels: Mapping[str, str], error: str, seconds: float) -> None:
    """An attempt has ended; `error` is the type of what it ended in, if in an error."""
    prefix = next((prefix for prefix in _KINDS if activity_type.startswith(prefix)), None)
    if prefix is None:
        return
    kind, meter = _KINDS[prefix], activity.metric_meter()
    named = {} if prefix == CALL_MODEL else {kind: activity_type.removeprefix(prefix)}
    counted = {**named, **labels, "outcome": error or labels.get("outcome", "ok")}
    name, what = f"perdure_{kind}_calls", f"attempts of {kind} calls"
    meter.create_counter(name, what).add(1, counted)
    time_name, time_what = f"perdure_{kind}_duration", f"how long attempts of {kind} calls took"
    meter.create_histogram_timedelta(time_name, time_what, "duration").record(timedelta(seconds=seconds), counted)


def used(labels: Mapping[str, str], usage: Usage) -> None:
    """An answer has used tokens, and cost money."""
    if not activity.in_activity():
        return
    meter = activity.metric_meter()
    if usage.cost_usd is None:
        meter.create_counter("perdure_unpriced_answers", "answers of unknown cost").add(1, labels)
    else:  # temporalio counts whole numbers; a histogram's sum is one of dollars
        meter.create_histogram_float("perdure_cost_usd", "what answers cost", "usd").record(usage.cost_usd, labels)
    counter = meter.create_counter("perdure_tokens", "tokens of answers")
    counts = {
        "input": usage.input_tokens,
        "output": usage.output_tokens,
        "cached": usage.input_tokens_details.cached_tokens,
        "reasoning": usage.output_tokens_details.reasoning_tokens,
    }
    for kind, count in counts.items():
        if count:
            counter.add(count, {**labels, "kind": kind})
