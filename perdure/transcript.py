"""The transcript's chain: who has the items up to a digest has exactly the items that the run has.

d(0) names the transcript (namespace, workflow, first execution, agent path, epoch); d(i) = SHA-256 of d(i-1), the
length of item i (8 bytes, big endian) and its canonical bytes. The run keeps only the last digest and the count, so a
turn costs what is new in it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def chain_start(namespace: str, workflow_id: str, first_execution_run_id: str, agent_path: str, epoch: int) -> str:
    """d(0) of one transcript, in hex."""
    names = [namespace, workflow_id, first_execution_run_id, agent_path, str(epoch)]
    hasher = hashlib.sha256(b"perdure transcript")
    for name in names:
        hasher.update(len(name.encode()).to_bytes(8, "big") + name.encode())
    return hasher.hexdigest()


def chain_start_below(origin: str, agent_path: str, epoch: int) -> str:
    """d(0) of another transcript of the run whose own first one starts at `origin`."""
    return chain_start("", origin, "", agent_path, epoch)


def chain(digest: str, items: Iterable[bytes]) -> str:
    """The digest after further items."""
    link = bytes.fromhex(digest)
    for item in items:
        link = hashlib.sha256(link + len(item).to_bytes(8, "big") + item).digest()
    return link.hex()
