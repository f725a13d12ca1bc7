"""Keys rotate while runs are under way: workers with the next ring come, those with the last one go, no run fails."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import WorkflowHandle

from perdure import Agent, function_tool
from perdure.client.needing import payloads_of
from perdure.contracts.run import RunInput
from perdure.encryption import key_of
from perdure.keyring import Keyring, new_key
from perdure.testing import ScriptedModel, tool_call
from tests.thoroughness import THOROUGH
from tests.workflows.encrypted import Vault, failed_tasks, new_vault, until

FIRST, SECOND, THIRD = new_key("first"), new_key("second"), new_key("third")
# Every worker opens with a key before any encrypts with it.
ROTATION = [
    Keyring((FIRST,)),
    Keyring((FIRST, SECOND)),
    Keyring((SECOND, FIRST)),
    Keyring((SECOND, FIRST, THIRD)),
    Keyring((THIRD, SECOND, FIRST)),
]
RUNS = 24 if THOROUGH else 4
TURNS = 2  # with each ring
LONG = "x" * 70_000  # goes to the blob store


@function_tool(needs_approval=True)
async def pay() -> str:
    """Pays."""
    return "paid"


def worker_agent(reached: list[asyncio.Event]) -> Agent[Any]:
    """An agent that works a little with each ring, and then pays."""

    @function_tool
    async def work(phase: int, turn: int) -> str:
        """Works a little."""
        await reached[phase].wait()
        return f"{LONG} {turn}" if turn else f"worked in phase {phase}"

    calls = [
        tool_call("work", {"phase": phase, "turn": turn}) for phase in range(len(reached)) for turn in range(TURNS)
    ]
    return Agent(name="Works", model=ScriptedModel([*calls, tool_call("pay", {}), "done"]), tools=[work, pay])


async def started(vault: Vault, ring: Keyring, queue: str) -> list[WorkflowHandle[Any, Any]]:
    client = await vault.client(ring)
    value = RunInput(agent="Works", input=[{"role": "user", "content": "go"}], max_turns=None)
    return [
        await client.start_workflow(
            "AgentRun", value, id=f"{queue}-{number}", task_queue=queue, task_timeout=timedelta(seconds=5)
        )
        for number in range(RUNS)
    ]


async def rotated(
    vault: Vault, rings: Sequence[Keyring], handles: Sequence[WorkflowHandle[Any, Any]], queue: str
) -> contextlib.AsyncExitStack:
    """Workers come with the next ring before those with the last one go; the last ones stay."""
    reached = [asyncio.Event() for _ in rings]
    agent, last = worker_agent(reached), contextlib.AsyncExitStack()
    for phase, ring in enumerate(rings):
        coming = contextlib.AsyncExitStack()
        await coming.enter_async_context(vault.serving(ring, queue, agent))
        await last.aclose()  # in the middle of steps, which begin again elsewhere
        last = coming
        reached[phase].set()
        while not any([ring.first.id in await keys_of(each) for each in handles]):  # noqa: ASYNC110
            await asyncio.sleep(0.1)
    return last


async def keys_of(handle: WorkflowHandle[Any, Any]) -> set[str]:
    """The keys that a history is encrypted with; what is not encrypted has none."""
    events = [event async for event in handle.fetch_history_events()]
    return {key_of(payload) for event in events for payload in payloads_of(event)}


@pytest.mark.parametrize(
    "rings",
    [
        pytest.param(ROTATION if THOROUGH else ROTATION[:3], id="in order"),
        pytest.param(ROTATION[::2], id="encrypting at once", marks=pytest.mark.thorough),
    ],
)
async def test_no_run_fails_while_keys_rotate(tmp_path: Path, rings: list[Keyring]) -> None:
    vault, queue = await new_vault(tmp_path / "blobs"), f"rotation-{uuid.uuid4().hex[:8]}"
    handles = await started(vault, rings[0], queue)
    newest = await vault.client(rings[-1])
    async with asyncio.timeout(100), await rotated(vault, rings, handles, queue):
        handles = [newest.get_workflow_handle(handle.id) for handle in handles]
        for handle in handles:
            (approval,) = (await until(handle, lambda status: bool(status.approvals))).approvals
            await handle.signal("approve", {"call_id": approval.call_id})
        for handle in handles:
            await handle.result()
        failed = [each for handle in handles for each in await failed_tasks(handle)]
        used = {key for handle in handles for key in await keys_of(handle)}
    assert used == {ring.first.id for ring in rings}
    if rings != ROTATION[::2]:
        assert failed == []
    else:  # workers without the key that others encrypt with already let the run wait
        assert {kind for kind, _ in failed} <= {"EncryptionKeyMissing"}
