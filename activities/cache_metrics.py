"""How well a worker's memory of conversations works, by the meter of the worker whose activity uses it.

`perdure_transcript_cache_hits` and `perdure_transcript_cache_misses` count steps that needed a conversation which the
worker may have had; a run's first call is neither. `perdure_transcript_pulled_bytes` is what the misses asked of runs
and blob stores, `perdure_transcript_cache_bytes` what is kept now.
"""

from __future__ import annotations

from temporalio import activity


def hit() -> None:
    """The conversation, or all of it but what is new, was there."""
    _count("perdure_transcript_cache_hits", "conversations that this worker had", "", 1)


def miss(pulled: int) -> None:
    """It was not; so many bytes were asked of the run."""
    _count("perdure_transcript_cache_misses", "conversations that were asked of their run", "", 1)
    _count("perdure_transcript_pulled_bytes", "what was asked of runs and blob stores", "By", pulled)


def kept(size: int) -> None:
    """So many bytes are kept now."""
    if activity.in_activity():
        name, what = "perdure_transcript_cache_bytes", "conversations that this worker keeps"
        activity.metric_meter().create_gauge(name, what, "By").set(size)


def _count(name: str, what: str, unit: str, value: int) -> None:
    if activity.in_activity():
        activity.metric_meter().create_counter(name, what, unit).add(value)
