"""Switches off the defence that `PERDURE_WITHOUT` names, in every Python process that finds this file first.

For `tests/chaos/test_defences.py` alone: it shows that the tests notice when a defence is missing.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from typing import Any


def without_key() -> None:
    from activities import once

    def each_its_own(*_: Any) -> str:
        return f"effect/{uuid.uuid4().hex}"

    once.key_of = each_its_own


def without_carry_over() -> None:
    from workflows import continuing

    freeze = continuing.freeze

    def forgetful(state: Any) -> Any:
        state.message_ids, state.decided, state.root.pending = [], {}, []
        return freeze(state)

    continuing.freeze = forgetful


def without_heartbeat() -> None:
    from perdure import limits

    limits.HEARTBEAT_TIMEOUT_SECONDS = 3600.0


def without_size_cap() -> None:
    from perdure import limits

    limits.MAX_COMMAND_BYTES = limits.MAX_TASK_BYTES = 1 << 40


def without_id_digest() -> None:
    from workflows import agent_run

    command_for = agent_run.command_for

    def plain(state: Any, frame: Any, step: Any, settings: Any) -> Any:
        return dataclasses.replace(command_for(state, frame, step, settings), activity_id=step.id)

    agent_run.command_for = plain


WAYS = {
    "key": without_key,
    "carry-over": without_carry_over,
    "heartbeat": without_heartbeat,
    "size cap": without_size_cap,
    "id digest": without_id_digest,
}

if (name := os.environ.get("PERDURE_WITHOUT")) is not None:
    WAYS[name]()
