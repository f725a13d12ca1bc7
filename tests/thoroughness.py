"""How much of the costly tests is done: samples in `make test`, everything in `make replayed`."""

from __future__ import annotations

import os
from zlib import crc32

THOROUGH = bool(os.environ.get("PERDURE_THOROUGH"))


def is_sampled(name: str, one_in: int) -> bool:
    """Whether this is one of the few of its kind that are always done; always the same ones."""
    return THOROUGH or crc32(name.encode()) % one_in == 0
