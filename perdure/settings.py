"""Settings of a model call (`perdure.model_settings`) and of a run (`perdure.run_config`), under one name."""

from perdure.model_settings import MCPToolChoice, ModelSettings
from perdure.run_config import DEFAULT_MAX_TURNS, LONGEST_APPROVAL_SECONDS, RunConfig

__all__ = ["DEFAULT_MAX_TURNS", "LONGEST_APPROVAL_SECONDS", "MCPToolChoice", "ModelSettings", "RunConfig"]
