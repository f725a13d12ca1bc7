"""A run's state as a JSON document, from what the client knows of the run, and back."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError

from perdure.client.progress import Progress, requests_of
from perdure.client.reading import Said
from perdure.contracts.messages import CallView, StatusView
from perdure.contracts.run import PageEntry, ResponseView, problems_of
from perdure.contracts.tokens import RequestTokens, Tokens
from perdure.contracts.told import GuardrailView, InputView, KeptView
from perdure.definition import Frozen
from perdure.errors import UserError
from perdure.usage import Usage


class SavedRun(Frozen):
    """Where a run stands, as it is kept outside of it.

    Attributes:
        root: The name of the agent that the run was started with.
        agent: The key of the active agent.
        turn: The last completed turn, or the one whose calls wait.
        context_state: The context as the run has it.
        entries: What was said as a whole; `shown`: what the model gets, if that is something else.
        kept: What the provider keeps of the conversation.
        omits_reasoning_ids: Whether requests leave the ids of reasoning items out.
        interruptions: The calls that wait, with their agents' keys.
        frozen: All that the run itself knows while it waits.
        inputs: What was sent to the run and has not come to its model.
        settings: What of the run's settings is not as by default.
    """

    run_id: str
    root: str
    agent: str
    turn: int
    max_turns: int | None = 10
    input_is_text: bool = False
    context_state: dict[str, Any] | None = None
    usage: Tokens = Tokens()
    requests: list[RequestTokens] = []
    entries: list[PageEntry] = []
    shown: list[PageEntry] | None = None
    responses: list[ResponseView] = []
    guardrails: list[GuardrailView] = []
    kept: KeptView | None = None
    omits_reasoning_ids: bool = False
    interruptions: list[dict[str, Any]] = []
    frozen: dict[str, Any] | None = None
    inputs: list[InputView] = []
    settings: dict[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a run has come, and what was said: as a whole, and to the model where that is something else.

    Attributes:
        answer: The text of the final output, where the run has told only the item that it is in.
    """

    progress: Progress
    said: Said
    shown: Said | None = None
    answer: str | None = None


def saved_run(
    run_id: str,
    root: str,
    reached: Reached,
    *,
    max_turns: int | None,
    status: StatusView | None = None,
    frozen: Any = None,
) -> SavedRun:
    """The document of a run that has come so far; `status` and `frozen` are those of one that waits."""
    progress, said = reached.progress, reached.said
    waiting = [call for call in status.calls if call.phase == "waiting"] if status is not None else []
    return SavedRun(
        run_id=run_id,
        root=root,
        agent=progress.agent,
        turn=progress.turn,
        max_turns=max_turns,
        input_is_text=progress.input_is_text,
        context_state=progress.context,
        usage=progress.usage,
        requests=progress.entries(said.responses),
        entries=said.entries,
        shown=reached.shown.entries if reached.shown is not None else None,
        responses=said.responses,
        guardrails=progress.guardrails,
        kept=progress.kept,
        omits_reasoning_ids=progress.omits_reasoning_ids,
        interruptions=[_waiting(call, progress.agent) for call in waiting],
        frozen=frozen,
        inputs=progress.inputs,
        settings=progress.settings,
    )


def _waiting(call: CallView, active: str) -> dict[str, Any]:
    return {"id": call.call_id, "digest": call.digest, "agent": call.agent or active, "item": call.item}


def document_of(saved: SavedRun) -> dict[str, Any]:
    """The document as JSON."""
    each = {"__all__": {"whole"}}  # what the model was not shown stays with the run
    return saved.model_dump(mode="json", exclude={"entries": each, "shown": each})


_READER = TypeAdapter(SavedRun)


def read_document(document: dict[str, Any]) -> SavedRun:
    """The document in a state's JSON.

    Raises:
        UserError: It is none, or lacks what a run needs to go on.
    """
    try:
        return _READER.validate_python(copy.deepcopy(document))
    except ValidationError as error:
        raise UserError(
            f"The run state does not hold what a run needs to go on ({problems_of(error)}); give a state of a result, "
            "or what its to_json wrote."
        ) from None


def completed(saved: SavedRun, turn: int) -> SavedRun | None:
    """The run as it stood at the end of a turn; `None` if that turn is not completed or did not happen.

    A turn is completed once each of its calls has an output.
    """
    entries = [entry for entry in saved.entries if entry.kind == "input" or entry.turn <= turn]
    made = [entry.item.get("call_id") for entry in entries if _is_call(entry) and entry.turn == turn]
    answered = [entry.item.get("call_id") for entry in entries if _is_output(entry) and entry.turn == turn]
    happened = turn == 0 or any(response.turn == turn for response in saved.responses)
    if not happened or any(made.count(call_id) > answered.count(call_id) for call_id in made):
        return None
    responses = [response for response in saved.responses if response.turn <= turn]
    is_whole = turn >= saved.turn
    return saved.model_copy(
        update={
            "agent": _active(saved, entries),
            "turn": turn,
            "entries": entries,
            "shown": _shown(saved, turn),
            "responses": responses,
            "usage": saved.usage if is_whole else _sum(responses),
            "requests": saved.requests if is_whole else requests_of(responses),
            "interruptions": [],
            "frozen": None,
            "inputs": saved.inputs if is_whole else [],
        }
    )


def last_completed(saved: SavedRun) -> SavedRun:
    """The run as it stood at the end of its last completed turn; at least its input."""
    for turn in range(max((response.turn for response in saved.responses), default=0), 0, -1):
        found = completed(saved, turn)
        if found is not None:
            return found
    return saved.model_copy(
        update={"agent": saved.root, "turn": 0, "entries": [each for each in saved.entries if _is_given(each)]}
        | {"shown": None, "responses": [], "usage": Tokens(), "requests": [], "interruptions": [], "frozen": None}
    )


def _is_given(entry: PageEntry) -> bool:
    """Whether it is input, also that which was added before the first turn."""
    return entry.kind == "input" or (entry.kind in ("added", "interrupted") and not entry.turn)


def _is_call(entry: PageEntry) -> bool:
    return entry.kind in ("answer", "handoff") and entry.item.get("type") == "function_call"


def _is_output(entry: PageEntry) -> bool:
    return entry.kind in ("output", "value", "handed_off")


def _active(saved: SavedRun, entries: list[PageEntry]) -> str:
    """The agent that was active after these entries."""
    said = [entry for entry in entries if entry.kind != "input"]
    handed_over = [entry.target for entry in said if entry.kind == "handed_off" and entry.target]
    if handed_over:
        return handed_over[-1]
    return said[-1].agent if said else saved.root


def _shown(saved: SavedRun, turn: int) -> list[PageEntry] | None:
    """What the model got until then. A handoff's edit that came later does not count."""
    edited = max((entry.turn for entry in saved.entries if entry.kind == "handed_off"), default=0)
    if saved.shown is None or turn < edited:
        return None
    return [entry for entry in saved.shown if entry.kind == "input" or entry.turn <= turn]


def _sum(responses: list[ResponseView]) -> Tokens:
    total = Usage()
    for response in responses:
        total.add(response.usage.usage())
    return Tokens.of(total)
