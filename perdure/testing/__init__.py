"""What you need to test your agents: a model that answers from a list, without a key or a network."""

from .scripted_model import ScriptedModel, ScriptedRequest, message, tool_call

__all__ = ["ScriptedModel", "ScriptedRequest", "message", "tool_call"]
