"""A worker of this process, running."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from temporalio.worker import Worker

_log = logging.getLogger("perdure")


@dataclass(frozen=True, slots=True)
class Serving:
    """A worker of this process."""

    worker: Worker
    running: asyncio.Task[None]
    takes_steps: bool


async def end(serving: Serving) -> None:
    """Stops a worker; one whose server is gone has ended in an error, which is no news by now."""
    await serving.worker.shutdown()
    await asyncio.wait([serving.running])
    if not serving.running.cancelled() and (error := serving.running.exception()) is not None:
        _log.warning("a worker ended with %s: %s", type(error).__name__, error)
