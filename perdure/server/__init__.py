"""The embedded Temporal server: what a program runs on when no server is configured."""

from __future__ import annotations

from perdure.server.embedded import ensure_server, server_status, stop_server
from perdure.server.home import data_home
from perdure.server.record import ServerInfo

__all__ = ["ServerInfo", "data_home", "ensure_server", "server_status", "stop_server"]
