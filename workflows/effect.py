"""Effect: the ledger's entry for one effect. It grants it to one attempt at a time and remembers what came of it.

It runs no code of the user, so any worker can answer for it. Its id is `effect/<key>`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, TypeVar

from temporalio import workflow
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError

from perdure.contracts.effects import EFFECT, Attempt, EffectView, Told, read_fact
from perdure.limits import EFFECT_REMEMBERED_SECONDS, EFFECT_UPDATES
from perdure.markdown import safe
from perdure.redaction import redacted

from .opening import NOTHING

_LATE_KEPT = 5
_Message = TypeVar("_Message", Attempt, EffectView, Told)


@workflow.defn(name=EFFECT, sandboxed=False)  # as AgentRun
class Effect:
    """What is known of one effect, for as long as the promise holds that it happens once."""

    @workflow.init
    def __init__(self, view: Any = NOTHING, *rest: Any) -> None:
        key = workflow.info().workflow_id.removeprefix("effect/")
        try:
            self._view = _read(EffectView, view, rest)
        except ApplicationError:  # started by something else than Perdure: it knows nothing yet
            self._view = EffectView(key=key)
        self._updates = 0

    @workflow.run
    async def run(self, view: Any = NOTHING, *rest: Any) -> EffectView:
        """Remembers until nobody has asked or told for long; what is claimed or unknown is never forgotten."""
        while True:
            seen = self._updates
            workflow.set_current_details(redacted(_details(self._view)))
            remembered = timedelta(seconds=EFFECT_REMEMBERED_SECONDS)
            open_ended = self._view.status in ("claimed", "unknown")
            try:
                await workflow.wait_condition(
                    lambda seen=seen: self._updates != seen,
                    timeout=None if open_ended else remembered,
                    timeout_summary=f"remembers {self._view.key}",
                )
            except TimeoutError:
                return self._view
            if self._updates >= EFFECT_UPDATES:
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(self._view)

    @workflow.update(name="claim", description="Asks to go ahead with the effect: the first attempt may")
    def claim(self, attempt: Any = NOTHING, *rest: Any) -> EffectView:
        """Grants the effect if nobody has it; the answer names the attempt that has it."""
        claimed = _read(Attempt, attempt, rest)
        self._updates += 1
        if self._view.status == "free":
            self._view = EffectView(key=self._view.key, status="claimed", attempt=claimed, late=self._view.late)
        return self._view

    @claim.validator
    def check_claim(self, attempt: Any = NOTHING, *rest: Any) -> None:
        """Refuses what is no attempt."""
        _read(Attempt, attempt, rest)

    @workflow.update(name="tell", description="Tells what became of the effect")
    def tell(self, told: Any = NOTHING, *rest: Any) -> EffectView:
        """Records it, if the attempt that tells it still has the effect, or it is a verdict about it."""
        said = _read(Told, told, rest)
        self._updates += 1
        if _counts(said, self._view):
            self._view = self._view.model_copy(
                update={
                    "status": said.verdict,
                    "attempt": self._view.attempt or said.attempt,
                    "output": said.output or (self._view.output if said.verdict == "done" else None),
                    "note": said.note,
                }
            )
        elif said.attempt.token != getattr(self._view.attempt, "token", None) or self._view.status != said.verdict:
            text = f"{said.attempt.at}: {said.attempt.call} of run {said.attempt.run_id}: {said.verdict}. {said.note}"
            self._view = self._view.model_copy(update={"late": [*self._view.late, text][-_LATE_KEPT:]})
        return self._view

    @tell.validator
    def check_told(self, told: Any = NOTHING, *rest: Any) -> None:
        """Refuses what tells nothing."""
        _read(Told, told, rest)

    @workflow.query(name="effect", description="What is known of the effect")
    def effect(self) -> EffectView:
        """What is known of it."""
        return self._view

    @workflow.signal(dynamic=True)
    def other(self, name: str, args: Sequence[RawValue]) -> None:
        """Takes signals, of which it knows none, so that they are not buffered for ever."""


def _counts(said: Told, known: EffectView) -> bool:
    """Whether what is said is news: of the attempt that has the effect, or a verdict where there is room for one."""
    has = known.attempt
    if said.judged:
        return has is None or known.status == "unknown" or said.attempt.is_of(has)
    return has is not None and has.token == said.attempt.token and known.status in ("claimed", "unknown")


def _read(kind: type[_Message], value: Any, rest: tuple[Any, ...]) -> _Message:
    """The one message of a kind in whatever was sent.

    Raises:
        ApplicationError: It is none.
    """
    try:
        return read_fact(kind, NOTHING if rest else value)  # one object, and nothing beside it
    except ValueError as error:
        raise ApplicationError(str(error), type="MalformedMessage", non_retryable=True) from None


def _details(view: EffectView) -> str:
    """What the Temporal UI shows of it."""
    attempt = view.attempt
    words = {"free": "did not happen, or not yet", "claimed": "is under way", "done": "happened"}
    lines = [f"The effect **{safe(view.key)}** {words.get(view.status, 'may or may not have happened')}."]
    if attempt is not None:
        lines += ["", f"{safe(attempt.call)}, call {attempt.call_id} of run {safe(attempt.run_id)}, {attempt.at}"]
    lines += ["", safe(view.note)] if view.note else []
    lines += ["", "Told too late to count:", "", *(f"- {safe(text)}" for text in view.late)] if view.late else []
    return "\n".join(lines)
