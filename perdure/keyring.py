"""The keys of payloads and blobs, from the environment: the first one encrypts, with every one it is decrypted.

`PERDURE_ENCRYPTION_KEYS` lists them as `id:key`, with commas or line ends between; `PERDURE_ENCRYPTION_KEYS_FILE` names
a file with the same. A key is 32 bytes in Base64. Without either, nothing is encrypted.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hmac
import os
import re
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from perdure.errors import UserError

KEYS = "PERDURE_ENCRYPTION_KEYS"
KEYS_FILE = "PERDURE_ENCRYPTION_KEYS_FILE"
ACCEPTS_PLAIN = "PERDURE_ENCRYPTION_ACCEPTS_PLAIN"

_KEY_BYTES = 32  # AES-256
_VOUCHER_BYTES = 8  # a forged one lets a run wait for a key that nobody has, no more
_ID = re.compile(r"[A-Za-z0-9._-]{1,32}")
_VOUCHED = b"perdure: this key belongs to our ring: "


@dataclass(frozen=True, slots=True)
class Key:
    """One key, by the name that stands in the metadata of what it has encrypted."""

    id: str
    secret: bytes = field(repr=False)

    def voucher_for(self, key_id: str) -> bytes:
        """What only who has this key can say of another one: that it belongs to the same ring."""
        return hmac.digest(self.secret, _VOUCHED + key_id.encode(), "sha256")[:_VOUCHER_BYTES]

    @property
    def text(self) -> str:
        """The key as the environment has it, without its id."""
        return base64.b64encode(self.secret).decode()


@dataclass(frozen=True)
class Keyring:
    """The keys of this process.

    Attributes:
        keys: The first one encrypts; what any of them has encrypted is opened.
        accepts_plain: Whether what is not encrypted is read, too, as while encryption is being turned on.
    """

    keys: tuple[Key, ...]
    accepts_plain: bool = False

    @property
    def first(self) -> Key:
        """The key that encrypts."""
        return self.keys[0]

    @property
    def ids(self) -> list[str]:
        """The keys' ids, the first one's first."""
        return [key.id for key in self.keys]

    def find(self, key_id: str) -> Key | None:
        """The key with this id."""
        return next((key for key in self.keys if key.id == key_id), None)

    @functools.cached_property
    def vouchers(self) -> bytes:
        """What the other keys say of the first: who has one of them knows by it that the first one is no stranger's."""
        return b"".join(key.voucher_for(self.first.id) for key in self.keys[1:])

    def vouches_for(self, key_id: str, vouchers: bytes) -> bool:
        """Whether one of these keys has said that a key, which is not among them, belongs to the ring."""
        said = [vouchers[place : place + _VOUCHER_BYTES] for place in range(0, len(vouchers), _VOUCHER_BYTES)]
        return any(hmac.compare_digest(key.voucher_for(key_id), each) for key in self.keys for each in said)


@functools.cache
def keyring() -> Keyring | None:
    """This process's keys, read from the environment once; `None` if nothing is to be encrypted.

    Raises:
        UserError: They cannot be used; the message never holds a key.
    """
    given, file = os.environ.get(KEYS, "").strip(), os.environ.get(KEYS_FILE, "").strip()
    if given and file:
        raise UserError(f"Both {KEYS} and {KEYS_FILE} are set; set one of them.")
    if file:
        try:
            given = Path(file).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{KEYS_FILE} names {file!r}, which cannot be read: {type(error).__name__}.") from None
        if not _entries(given):
            raise UserError(f"{KEYS_FILE} names {file!r}, in which there is no key. `perdure keys new ID` makes one.")
    if not given:
        return None
    _require_cryptography()
    return Keyring(parse_keys(given, KEYS_FILE if file else KEYS), accepts_plain=_accepts_plain())


def parse_keys(text: str, source: str = KEYS) -> tuple[Key, ...]:
    """The keys in a list of them.

    Args:
        text: `id:key`, with commas or line ends between; what follows a `#` is a comment.
        source: What the list is called in an error.

    Raises:
        UserError: An entry is no key, or an id comes twice.
    """
    keys: list[Key] = []
    for number, entry in enumerate(_entries(text), 1):
        key_id, colon, value = entry.partition(":")
        secret = _decoded(value.strip())
        if not colon or not is_key_id(key_id.strip()) or secret is None or len(secret) != _KEY_BYTES:
            raise UserError(
                f"Entry {number} of {source} is no key: it must be ID:KEY, where ID is 1 to 32 letters, digits, dots, "
                "hyphens or underscores and KEY is 32 bytes in Base64. `perdure keys new ID` makes one."
            )
        keys.append(Key(key_id.strip(), secret))
    ids = [key.id for key in keys]
    if twice := next((each for each in ids if ids.count(each) > 1), None):
        raise UserError(f"{source} has two keys with the id {twice!r}; each key needs an id of its own.")
    return tuple(keys)


def is_key_id(text: str) -> bool:
    """Whether a key can be called that: 1 to 32 letters, digits, dots, hyphens or underscores."""
    return _ID.fullmatch(text) is not None


def new_key(key_id: str) -> Key:
    """A new key, of 32 bytes from the system's source of chance.

    Raises:
        UserError: The id is none.
    """
    if not is_key_id(key_id):
        text = "1 to 32 letters, digits, dots, hyphens or underscores, such as 2026-11"
        raise UserError(f"{key_id!r} is no id for a key: use {text}.")
    return Key(key_id, secrets.token_bytes(_KEY_BYTES))


def _entries(text: str) -> list[str]:
    lines = [line.partition("#")[0] for line in text.splitlines()]
    return [entry.strip() for line in lines for entry in line.split(",") if entry.strip()]


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        return None


def _accepts_plain() -> bool:
    said = os.environ.get(ACCEPTS_PLAIN, "").strip().lower()
    if said not in ("", "0", "1", "false", "true"):
        raise UserError(f"{ACCEPTS_PLAIN} is {said!r}; set it to 1 while encryption is turned on, or leave it out.")
    return said in ("1", "true")


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        text = 'which is not installed. Run: pip install "perdure[encryption]"'
        raise UserError(f"{KEYS} is set, and encryption needs the package cryptography, {text}") from None
