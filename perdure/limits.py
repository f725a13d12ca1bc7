"""Every number a run is bounded by, in one place; docs/limits.md says where each comes from and what happens there."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# Sizes, in bytes. The server refuses payloads of 2 MiB and messages of 4 MiB, and refusing wedges a run.
MAX_INLINE_ITEM_BYTES = 64 * KIB  # a larger item is kept in the blob store
MAX_ITEM_BYTES = 8 * MIB  # a larger tool output is cut for the model: no model reads more
MAX_COMMAND_BYTES = 1 * MIB  # the inputs of one activity, or of a run
MAX_TASK_BYTES = 2 * MIB  # the commands of one workflow task
MAX_RESULT_BYTES = 1 * MIB  # the result of one activity
MAX_TAIL_BYTES = 256 * KIB  # items carried along in an activity's input or a run's outcome; the rest by query
MAX_CONTEXT_BYTES = 256 * KIB  # a run's context
MAX_PAGE_BYTES = 1 * MIB  # one answer of the transcript query
MAX_CHUNK_BYTES = 512 * KIB  # sealed items in one blob
CARRIED_BYTES = 64 * KIB  # of each transcript, the newest items that a new history is given; older ones are sealed
HISTORY_BYTES = 4 * MIB  # of a history, before the run goes on in a new one; the server ends one at 50 MiB
MAX_HISTORY_BYTES = 40 * MIB  # a run that cannot go on in a new one ends itself, with a reason, before the server does
MAX_DECISION_BYTES = 16 * KIB  # a signal or update; larger ones are ignored

MIN_COMPRESSED_BYTES = 16 * KIB  # a payload or blob of this size is compressed; smaller ones are readable in the UI
MAX_EXPANDED_BYTES = 16 * MIB  # what a compressed payload may expand to; more is no payload of ours

# Counts.
HISTORY_EVENTS = 4000  # in a history, before the run goes on in a new one; the server ends one at 51,200
FEWEST_HISTORY_EVENTS = 20  # less would be a new execution for each step
MAX_HISTORY_EVENTS = 45_000  # as MAX_HISTORY_BYTES
HISTORY_MESSAGES = 1500  # as HISTORY_EVENTS; the server takes 10,000 signals and 2,000 updates
MAX_KNOWN_CALLS = 4000  # calls whose ids a run knows after it has gone on in a new history, the newest
MAX_KNOWN_DECISIONS = 1000  # likewise of decisions
MAX_PARALLEL_CALLS = 100  # tool calls in flight at once; the server allows 2,000 pending activities
MAX_CALLS_PER_RESPONSE = 1000
MAX_EARLY_KEPT = 1000  # decisions of one workflow task that are judged again after its results
MAX_IGNORED_KEPT = 20  # messages without effect that `status` still shows

# Time, in seconds.
TOOL_TIMEOUT_SECONDS = 60.0  # a tool that does not say otherwise
TOOL_GRACE_SECONDS = 10.0  # start-to-close beyond the tool's own timeout, which is enforced inside the activity
MODEL_TIMEOUT_SECONDS = 600.0
CALLABLE_TIMEOUT_SECONDS = 60.0
GUARDRAIL_TIMEOUT_SECONDS = 600.0  # as a model call: guardrails ask models
HEARTBEAT_SECONDS = 1.0
HEARTBEAT_TIMEOUT_SECONDS = 4.0  # a silent attempt is lost
TASK_TIMEOUT_SECONDS = 5.0  # a workflow task
STICKY_TIMEOUT_SECONDS = 2.0  # how long a killed worker holds up the next workflow task
RETENTION_DAYS = 90
