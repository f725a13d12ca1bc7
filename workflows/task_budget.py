"""What the commands of one workflow task come to: the server refuses a larger task, which would wedge the run."""

from __future__ import annotations

from dataclasses import replace

from temporalio import workflow

from perdure.limits import MAX_COMMAND_BYTES, MAX_LOCAL_CALLS, MAX_TASK_BYTES

from .commands import Command


class TaskBudget:
    """What the workflow task under way has room for.

    A local call's result travels with the task that it was made in, 128 KiB at most; a try without outcome becomes an
    ordinary step in that task, whose input travels instead. Eight of them, with 1 MiB of inputs, and 2 MiB of others'
    inputs stay below the 4 MiB that the server takes in a message.
    """

    def __init__(self) -> None:
        self._length = 0  # the history's, when this task began
        self._bytes = 0
        self._local_calls = self._local_bytes = 0

    def takes(self, command: Command) -> Command | None:
        """The command as this task can have it; `None` if only a later task has room for it.

        One that is too large for any task is taken: the step fails without being scheduled.
        """
        length = workflow.info().get_current_history_length()
        if length != self._length:
            self._length, self._bytes, self._local_calls, self._local_bytes = length, 0, 0, 0
        has_room = self._local_calls < MAX_LOCAL_CALLS and self._local_bytes + command.size <= MAX_COMMAND_BYTES
        if command.is_local and has_room:
            self._local_calls += 1
            self._local_bytes += command.size
            return command
        if command.size <= MAX_COMMAND_BYTES and self._bytes + command.size > MAX_TASK_BYTES:
            return None
        self._bytes += command.size
        return replace(command, is_local=False) if command.is_local else command
