"""What earlier versions have begun goes on with today's code: their histories run again on it."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterator, Iterable
from importlib.metadata import version
from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory

from tests.replay.archive import Kept, archive_of, archives, read
from tests.replay.scrubbing import texts
from tests.replaying import failures_of
from tests.thoroughness import is_sampled

pytestmark = pytest.mark.timeout(600)
STARTED = ["EVENT_TYPE_ACTIVITY_TASK_SCHEDULED", "EVENT_TYPE_TIMER_STARTED"]
KINDS = ["approval-too-late", "cancelled-in-a-tool", "decided-by-signal", "long", "outcome-retry"]
KINDS += ["deployed-a-tool-removed", "deployed-instructions"]
KINDS += ["interrupted-while-watched", "paused-in-new-histories", "an-agent-as-a-tool-that-is-left"]
KINDS += [
    "thread-of-several-messages",
    "thread-with-an-approval",
    "thread-whose-agents-change",
    "thread-of-an-agent-by-name",
]


async def failing(kept: Iterable[Kept]) -> dict[str, Exception]:
    """Those that do not run again, by name."""
    names: dict[str, str] = {}

    async def histories() -> AsyncIterator[WorkflowHistory]:
        for each in kept:
            history = each.history()
            names[history.run_id] = each.name
            yield history

    return {names[run_id]: error for run_id, error in (await failures_of(histories())).items()}


def of_this_version() -> list[Kept]:
    return read(archive_of(version("perdure")))


@pytest.mark.parametrize("archive", archives(), ids=lambda file: file.name)
async def test_what_a_version_has_begun_goes_on_with_today_s_code(archive: Path) -> None:
    failures = await failing(each for each in read(archive) if is_sampled(each.name, 6))
    assert not failures, "\n".join(f"{name}: {error}" for name, error in failures.items())


@pytest.mark.parametrize("name", ["decided-by-signal/01-run.json", "decided-by-signal/02-effect.json"])
async def test_a_history_with_another_activity_does_not_run_again(name: str) -> None:
    kept = next(each for each in of_this_version() if each.name == name)
    changed = Kept(name, kept.workflow_id, copy.deepcopy(kept.events))
    first = next(each for each in changed.events["events"] if each["eventType"] in STARTED)
    first.pop("timerStartedEventAttributes", None)
    another = {"activityId": "another", "activityType": {"name": "another"}}
    first |= {"eventType": STARTED[0], "activityTaskScheduledEventAttributes": another}
    assert await failing([kept]) == {}
    assert "Nondeterminism" in str((await failing([changed]))[name])


def test_the_version_under_development_has_histories_of_every_kind() -> None:
    kept = of_this_version()
    assert set(KINDS) <= {each.shows for each in kept}
    assert len({each.shows for each in kept}) > 850
    assert any("effect" in each.name for each in kept)
    new_histories = ("long/01-run.2", "thread-over-many-histories/01-run.5")
    assert all(any(each.name.startswith(name) for each in kept) for name in new_histories)


def test_kept_histories_tell_nothing_of_a_machine() -> None:
    telling = ("Traceback (most", 'File "/', "/tmp/", "/home/", "site-packages")
    kept = [each for archive in archives() for each in read(archive) if is_sampled(each.name, 6)]
    assert kept
    found = [(each.name, name) for each in kept for text in texts(each.events) for name in telling if name in text]
    assert found == []
