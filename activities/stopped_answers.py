"""What a model had said when it was stopped in the middle of a streamed answer: its words, and nothing else."""

from __future__ import annotations

from typing import Any, cast

from temporalio import activity

from perdure.canonical import clean_text
from perdure.model import Publish


def was_stopped() -> bool:
    """Whether the run itself has this attempt cancelled, and waits for what it says: not the server, not its worker."""
    details = activity.cancellation_details()
    return details is not None and details.cancel_requested


class Spoken:
    """Listens to an answer's events on their way to who watches.

    Args:
        publish: Takes each of them; `None`: nobody watches, so the answer is not streamed, and nothing is heard.
    """

    def __init__(self, publish: Publish | None) -> None:
        self._publish = publish
        self._texts: dict[tuple[int, int], str] = {}  # by the places of item and part
        self._is_stopped = False

    @property
    def publish(self) -> Publish | None:
        """What takes the events."""
        return None if self._publish is None else self._take

    def _take(self, event: Any) -> None:
        if self._publish is None or self._is_stopped:  # who watches is told no word that the run does not keep
            return
        if _part(event, "type") == "response.output_text.delta":
            place = (int(_part(event, "output_index") or 0), int(_part(event, "content_index") or 0))
            self._texts[place] = self._texts.get(place, "") + str(_part(event, "delta") or "")
        self._publish(event)

    def stop(self) -> list[dict[str, Any]]:
        """Listens no more; gives the messages as far as they came."""
        self._is_stopped = True
        messages: dict[int, list[dict[str, Any]]] = {}
        for (item, _), text in sorted(self._texts.items()):
            part: dict[str, Any] = {"type": "output_text", "text": clean_text(text), "annotations": []}
            messages.setdefault(item, []).append(part)
        return [
            {"type": "message", "role": "assistant", "status": "incomplete", "content": content}
            for content in messages.values()
        ]


def _part(event: Any, name: str) -> Any:
    return cast("dict[str, Any]", event).get(name) if isinstance(event, dict) else getattr(event, name, None)
