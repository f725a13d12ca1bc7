"""The stages of a frame: what it lacks to go on."""

from __future__ import annotations

from typing import Literal

Stage = Literal[
    "remembering",  # the session, for what was said before
    "screening",  # blocking input guardrails
    "admitting",  # input guardrails, on what was sent to the run meanwhile
    "starting",  # hooks: an agent starts
    "asking",  # the model
    "holding",  # an answer waits for the input guardrails beside it
    "calling",  # tools
    "choosing",  # a function says whether the tools' results end the run
    "handing off",  # a function is called with the handoff's arguments
    "announcing",  # hooks: a handoff
    "filtering",  # a function edits what the next agent gets
    "saving",  # the session is told what is new
    "recovering",  # a function may turn an error into a final output
    "ending",  # hooks: an agent ends
    "reviewing",  # output guardrails
    "listening",  # a thread, for its next message
    "done",
]
