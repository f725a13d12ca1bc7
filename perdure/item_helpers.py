"""What programs of the Agents SDK read and make items with."""

from __future__ import annotations

from typing import Any, cast

from perdure.item_json import TResponseInputItem, input_items, item_json, last_part, message_refusal, message_text
from perdure.items import MessageOutputItem, RunItem
from perdure.tool_output import structured_output


class ItemHelpers:
    """Reads and makes items; the names are those of the Agents SDK. A message is its JSON or openai's object."""

    @staticmethod
    def extract_last_content(message: Any) -> str:
        """The last part of a message, be it text or a refusal; empty for what is no message."""
        last = last_part(item_json(message))
        return str(last.get({"output_text": "text", "refusal": "refusal"}.get(last.get("type", ""), "")) or "")

    @staticmethod
    def extract_last_text(message: Any) -> str | None:
        """The last part of a message, if it is text."""
        last = last_part(item_json(message))
        return str(last.get("text") or "") if last.get("type") == "output_text" else None

    @staticmethod
    def extract_text(message: Any) -> str | None:
        """The text of a message, if it has any."""
        return message_text(item_json(message)) or None

    @staticmethod
    def extract_refusal(message: Any) -> str | None:
        """The refusal in a message, if it is one."""
        return message_refusal(item_json(message)) or None

    @staticmethod
    def input_to_new_input_list(input: str | list[TResponseInputItem]) -> list[TResponseInputItem]:
        """A run's input as a list that may be changed."""
        return input_items(input)

    @staticmethod
    def text_message_output(message: MessageOutputItem) -> str:
        """The text of one message."""
        return message_text(message.data)

    @staticmethod
    def text_message_outputs(items: list[RunItem]) -> str:
        """The text of all messages among the items."""
        return "".join(message_text(item.data) for item in items if isinstance(item, MessageOutputItem))

    @staticmethod
    def tool_call_output_item(tool_call: Any, output: Any) -> TResponseInputItem:
        """The item that answers a tool call: images and files as such, all else as text."""
        call_id = cast("dict[str, Any]", tool_call)["call_id"] if isinstance(tool_call, dict) else tool_call.call_id
        parts = structured_output(output)
        return {"call_id": call_id, "output": str(output) if parts is None else parts, "type": "function_call_output"}
