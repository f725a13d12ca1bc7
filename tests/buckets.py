"""A server that speaks S3, with one bucket, whose objects are files of a folder: it can be stopped, and come back."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_READY_SECONDS = 30.0
_KEY, _SECRET = "tester", "not-a-secret"


class Bucket:
    """The server of one bucket.

    Attributes:
        url: The address of a folder in it, as `PERDURE_BLOBS` has it.
        folder: Where that folder's objects lie.
        environment: What reaches it.
    """

    url = "s3://bucket/blobs"

    def __init__(self, folder: Path) -> None:
        self._served = folder
        self.folder = folder / "bucket" / "blobs"
        (folder / "bucket").mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.environment = {
            "PERDURE_BLOBS": self.url,
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._port}",
            "AWS_ACCESS_KEY_ID": _KEY,
            "AWS_SECRET_ACCESS_KEY": _SECRET,
            "AWS_REGION": "us-east-1",
        }
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts the server, until which nothing of the bucket can be reached."""
        program = Path(sys.executable).with_name("rclone")
        self._process = subprocess.Popen(
            [program, "serve", "s3", self._served, "--addr", f"127.0.0.1:{self._port}", "--vfs-cache-mode", "off",
             "--auth-key", f"{_KEY},{_SECRET}", "--config", os.devnull],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        deadline = time.monotonic() + _READY_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, f"the bucket's server is not ready after {_READY_SECONDS:g} s"
            time.sleep(0.02)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self._port), timeout=1.0):
            return True
        return False

    def stop(self) -> None:
        """Ends the server; what the bucket holds stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def restart(self) -> None:
        """Lets the server look at its files anew, which somebody else has changed."""
        self.stop()
        self.start()

    def objects(self) -> dict[str, Path]:
        """The files of its blobs, by their digests."""
        return {file.name: file for file in self.folder.glob("??/*")}


@contextlib.contextmanager
def running_bucket(folder: Path) -> Iterator[Bucket]:
    """A bucket whose server runs."""
    bucket = Bucket(folder)
    bucket.start()
    try:
        yield bucket
    finally:
        bucket.stop()
