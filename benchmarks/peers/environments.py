"""The peers' virtual environments: made once from the pins beside this file, in the user's cache folder."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from platformdirs import user_cache_path

_PINS = Path(__file__).parent
_SECONDS = 600.0


class PeerMissingError(Exception):
    """A peer's environment could not be made."""


def pins_of(peer: str) -> Path:
    """The file that pins a peer's packages."""
    return _PINS / f"{peer}.txt"


def python_of(peer: str) -> str:
    """The interpreter in the environment of a peer, which is made if it is not there.

    Raises:
        PeerMissingError: It could not be made, for want of a network for instance.
    """
    pins = pins_of(peer)
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    name = hashlib.sha256(pins.read_bytes() + version.encode()).hexdigest()[:12]
    folder = user_cache_path("perdure") / "benchmarks" / f"{peer}-{name}"
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.is_file():
        print(f"Making the environment of {peer} in {folder}; this takes a minute.", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _run(peer, sys.executable, "-m", "venv", str(folder))
        pip = (str(python), "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
        _run(peer, *pip, "--require-hashes", "--requirement", str(pins))
        ready.touch()
    return str(python)


def _run(peer: str, *command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).strip().splitlines() or ["nothing was said"]
        raise PeerMissingError(f"{peer} is not compared: {' '.join(command[:5])} … failed: {said[-1]}") from None
    except subprocess.TimeoutExpired:
        raise PeerMissingError(f"{peer} is not compared: installing it took over {_SECONDS:.0f} s") from None
