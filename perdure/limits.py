"""Every number a run is bounded by, in one place; docs/limits.md says where each comes from and what happens there."""

from __future__ import annotations

KIB = 1024
MIB = 1024 * KIB

# Sizes, in bytes. The server refuses payloads of 2 MiB and messages of 4 MiB, and refusing wedges a run.
MAX_INLINE_ITEM_BYTES = 64 * KIB  # a larger item is kept in the blob store
MAX_ITEM_BYTES = 8 * MIB  # of a tool's output the model is shown no more, unless the run says less
FEWEST_TOOL_OUTPUT_BYTES = 1 * KIB  # the least that a run may say
MAX_OUTPUT_BYTES = 64 * MIB  # a tool's output: more is not kept
MAX_COMMAND_BYTES = 1 * MIB  # the inputs of one activity, or of a run
MAX_TASK_BYTES = 2 * MIB  # the commands of one workflow task
MAX_LOCAL_RESULT_BYTES = 128 * KIB  # of a local tool's call; one that says more is made again as a step of its own
MAX_RESULT_BYTES = 1 * MIB  # the result of one activity
MAX_TAIL_BYTES = 256 * KIB  # items carried along in an activity's input or a run's outcome; the rest by query
MAX_CONTEXT_BYTES = 256 * KIB  # a run's context
MAX_PAGE_BYTES = 1 * MIB  # one answer of the transcript query
MAX_CHUNK_BYTES = 512 * KIB  # sealed items in one blob
CARRIED_BYTES = 64 * KIB  # of each transcript, the newest items that a new history is given; older ones are sealed
HISTORY_BYTES = 4 * MIB  # of a history, before the run goes on in a new one; the server ends one at 50 MiB
MAX_HISTORY_BYTES = 40 * MIB  # a run that cannot go on in a new one ends itself, with a reason, before the server does
MAX_DECISION_BYTES = 16 * KIB  # a signal or update; larger ones are ignored
MAX_MESSAGE_BYTES = 128 * KIB  # input that is sent to a run; larger ones are refused
MAX_WAITING_INPUT_BYTES = 224 * KIB  # of such input together until the model is asked: a guardrail's input carries it
MAX_QUEUED_BYTES = 256 * KIB  # the messages of a thread that wait for their turn, together; more are refused
MAX_OWN_BYTES = 64 * KIB  # what a message's run said, where its thread keeps something else; more is not kept for it
MAX_OUTCOMES_BYTES = 192 * KIB  # how the last messages ended, in a new history
MAX_SESSION_WRITE_BYTES = 512 * KIB  # items that a session is told at once; more are told in several writes
MAX_TRACE_METADATA_BYTES = 16 * KIB  # it is part of the run's outcome

MAX_TYPE_BYTES = 900  # an activity's type; the server refuses one of more than 1000, which would wedge a run
MAX_TAKEN_BYTES = 512 * KIB  # of what a model says, in one answer to a watcher in another process
MIN_COMPRESSED_BYTES = 16 * KIB  # a payload or blob of this size is compressed; smaller ones are readable in the UI
MAX_EXPANDED_BYTES = 16 * MIB  # what a compressed payload may expand to; more is no payload of ours

# Counts.
HISTORY_EVENTS = 4000  # in a history, before the run goes on in a new one; the server ends one at 51,200
FEWEST_HISTORY_EVENTS = 20  # less would be a new execution for each step
MAX_HISTORY_EVENTS = 45_000  # as MAX_HISTORY_BYTES
HISTORY_MESSAGES = 1500  # as HISTORY_EVENTS; the server takes 10,000 signals and 2,000 updates
MAX_KNOWN_CALLS = 4000  # calls whose ids a run knows after it has gone on in a new history, the newest
MAX_KNOWN_DECISIONS = 1000  # likewise of decisions
MAX_KNOWN_MESSAGES = 1000  # ids of inputs that were sent to a run: each is taken once
MAX_KNOWN_OUTCOMES = 100  # of a thread's messages; of older ones what was said is kept
MAX_LISTENERS = 4  # that wait for the outcome of a message at once; the server takes 10 updates in flight
MAX_LISTED_APPROVERS = 20  # names in the search attribute PerdureApprovers
MAX_LISTED_CHARACTERS = 100  # of a search attribute's value; databases keep 255
MAX_LOCAL_CALLS = 8  # calls of local tools in one workflow task, which carries their results together
MAX_PARALLEL_CALLS = 100  # tool calls in flight at once; the server allows 2,000 pending activities
MAX_CALLS_PER_RESPONSE = 1000
MAX_EARLY_KEPT = 1000  # decisions of one workflow task that are judged again after its results
MAX_ATTEMPTS = 1_000_000  # of a step; Temporal's number has 31 bits
MAX_IGNORED_KEPT = 20  # messages without effect that `status` still shows
MAX_KEPT_DELTAS = 20_000  # events of one answer that are kept for watchers in other processes

# Time, in seconds.
TOOL_TIMEOUT_SECONDS = 60.0  # a tool that does not say otherwise
LONGEST_LOCAL_SECONDS = 60.0  # of a local tool: its run hears messages only every few seconds meanwhile
TOOL_GRACE_SECONDS = 10.0  # start-to-close beyond the tool's own timeout, which is enforced inside the activity
MODEL_TIMEOUT_SECONDS = 600.0
CALLABLE_TIMEOUT_SECONDS = 60.0
GUARDRAIL_TIMEOUT_SECONDS = 600.0  # as a model call: guardrails ask models
SESSION_TIMEOUT_SECONDS = 60.0  # one attempt to read a session or to write to it
SESSION_DOWN_SECONDS = 30 * 86_400.0  # a run whose session's store is down waits so long; then it fails
OUTCOME_SECONDS = 20.0  # how long a question for a message's outcome waits; then it is asked again
HEARTBEAT_SECONDS = 1.0
HEARTBEAT_TIMEOUT_SECONDS = 4.0  # a silent attempt is lost
LONGEST_STEP_SECONDS = 10 * 365 * 24 * 3600.0  # of a step, or between two attempts: ten years, whatever was asked
TASK_TIMEOUT_SECONDS = 5.0  # a workflow task
EFFECT_REMEMBERED_SECONDS = 90 * 86_400.0  # after the last word about it; then its key may be used anew
EFFECT_UPDATES = 500  # of one effect, before its workflow goes on in a new history; the server takes 2,000
STICKY_TIMEOUT_SECONDS = 1.5  # how long a killed worker holds up the next workflow task
WATCHED_SECONDS = 15.0  # after a watcher in another process last asked, a run counts as watched
WATCH_OPEN_SECONDS = 900.0  # the place where such watchers ask stays open; then they open it anew
RETENTION_DAYS = 90
