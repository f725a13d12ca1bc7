"""What is encrypted opens with its key at its place; everything else is marked, and never an error."""

from __future__ import annotations

import dataclasses

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import ActivitySerializationContext, WorkflowSerializationContext

from perdure.contracts.codec import Codec
from perdure.contracts.converter import converter_with
from perdure.encryption import Place, decrypted, encrypted, is_genuine, is_rejected, key_of, lacks_key, reason
from perdure.errors import PayloadUnreadable
from perdure.keyring import Keyring, new_key

OLD, NEW = new_key("old"), new_key("new")
BEFORE, AFTER = Keyring((OLD,)), Keyring((NEW, OLD))
HERE = Place("default", "ticket-7")
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"a canary"')


def for_workflow(ring: Keyring | None, workflow_id: str = "ticket-7", namespace: str = "default") -> Codec:
    return Codec(lambda: ring).with_context(WorkflowSerializationContext(namespace, workflow_id))


def for_activity(ring: Keyring, workflow_id: str = "ticket-7") -> Codec:
    context = ActivitySerializationContext("default", "1", "call_model", "q", workflow_id, "AgentRun", is_local=False)
    return Codec(lambda: ring).with_context(context)


def test_what_is_encrypted_shows_nothing_and_opens_with_its_key() -> None:
    sent = encrypted(PLAIN, BEFORE, HERE.label)
    assert b"canary" not in sent.SerializeToString()
    assert b"json/plain" not in sent.SerializeToString()
    assert decrypted(sent, BEFORE, (HERE.label,)) == PLAIN


def test_the_same_value_never_looks_the_same() -> None:
    assert encrypted(PLAIN, BEFORE, HERE.label).data != encrypted(PLAIN, BEFORE, HERE.label).data


def test_after_a_rotation_the_new_key_encrypts_and_the_old_one_still_opens() -> None:
    assert key_of(encrypted(PLAIN, AFTER, HERE.label)) == "new"
    assert decrypted(encrypted(PLAIN, BEFORE, HERE.label), AFTER) == PLAIN


def test_every_changed_bit_is_noticed() -> None:
    sent = encrypted(PLAIN, BEFORE, HERE.label)
    for place in range(len(sent.data)):
        changed = Payload()
        changed.CopyFrom(sent)
        changed.data = bytes(byte ^ (1 if at == place else 0) for at, byte in enumerate(sent.data))
        assert is_rejected(decrypted(changed, BEFORE))


@pytest.mark.parametrize("name", ["key", "for"])
def test_changed_metadata_is_noticed(name: str) -> None:
    sent = encrypted(PLAIN, AFTER, HERE.label)
    sent.metadata[name] = {"key": b"old", "for": Place("default", "ticket-8").label}[name]
    assert is_rejected(decrypted(sent, AFTER))


async def test_a_payload_moved_to_another_run_or_namespace_does_not_open() -> None:
    (sent,) = await for_workflow(BEFORE).encode([PLAIN])
    for elsewhere in (for_workflow(BEFORE, "ticket-8"), for_workflow(BEFORE, namespace="other")):
        (marked,) = await elsewhere.decode([sent])
        assert "encrypted for workflow 'ticket-7' of namespace 'default'" in reason(marked)
    assert (await for_activity(BEFORE).decode([sent])) == [PLAIN]  # the run and its steps are one place


async def test_what_people_send_from_the_ui_names_no_run_and_is_no_step_s() -> None:
    sent = encrypted(PLAIN, BEFORE, Place("default").label)
    assert await for_workflow(BEFORE).decode([sent]) == [PLAIN]
    assert is_rejected((await for_workflow(BEFORE, namespace="other").decode([sent]))[0])
    assert is_rejected((await for_activity(BEFORE).decode([sent]))[0])


async def test_who_does_not_know_the_place_opens_by_what_the_payload_says() -> None:
    (sent,) = await for_workflow(BEFORE).encode([PLAIN])
    assert await Codec(lambda: BEFORE).decode([sent]) == [PLAIN]


async def test_what_is_not_encrypted_is_marked_unless_encryption_is_just_turned_on() -> None:
    (marked,) = await for_workflow(BEFORE).decode([PLAIN])
    assert "it is not encrypted" in reason(marked)
    assert not lacks_key(marked)
    assert await for_workflow(dataclasses.replace(BEFORE, accepts_plain=True)).decode([PLAIN]) == [PLAIN]
    assert await for_workflow(None).decode([PLAIN]) == [PLAIN]


async def test_a_missing_key_is_told_from_one_that_never_was() -> None:
    (newer,) = await for_workflow(AFTER).encode([PLAIN])
    (forged,) = await for_workflow(Keyring((new_key("new"),))).encode([PLAIN])
    (lacking,), (stranger,) = await for_workflow(BEFORE).decode([newer]), await for_workflow(BEFORE).decode([forged])
    assert (lacks_key(lacking), is_genuine(lacking)) == (True, True)
    assert (lacks_key(stranger), is_genuine(stranger)) == (True, False)
    assert "key 'new', which this process does not have" in reason(lacking)
    (without,) = await for_workflow(None).decode([newer])
    assert lacks_key(without)


@pytest.mark.parametrize("key_id", [b"", b"two words", b"\xff\xfe", b"x" * 33])
@pytest.mark.parametrize("ring", [None, BEFORE])
async def test_what_names_a_key_that_there_cannot_be_is_not_waited_for(key_id: bytes, ring: Keyring | None) -> None:
    forged = Payload(metadata={"encoding": b"binary/encrypted", "key": key_id}, data=b"x" * 40)
    (marked,) = await for_workflow(ring).decode([forged])
    assert (is_rejected(marked), lacks_key(marked)) == (True, False)
    assert "no key can be called that" in reason(marked)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"key": b"old"},
        {"key": b"\xff", "for": b"\xff"},
        {"key": b"old", "for": b"default\0ticket-7", "vouch": b"x"},
    ],
    ids=["nothing", "a key alone", "no text", "a place"],
)
async def test_nonsense_that_calls_itself_encrypted_is_marked(metadata: dict[str, bytes]) -> None:
    sent = Payload(metadata={"encoding": b"binary/encrypted", **metadata}, data=b"short")
    for codec in (for_workflow(BEFORE), for_workflow(None), Codec(lambda: AFTER)):
        (marked,) = await codec.decode([sent])
        assert is_rejected(marked)


async def test_large_payloads_are_compressed_before_they_are_encrypted() -> None:
    large = Payload(metadata={"encoding": b"json/plain"}, data=b'{"a":1}' * 10_000)
    (sent,) = await for_workflow(BEFORE).encode([large])
    assert sent.ByteSize() < large.ByteSize() / 10
    assert await for_workflow(BEFORE).decode([sent]) == [large]


def test_without_keys_no_converter_is_made_anew_for_a_workflow() -> None:
    converter = converter_with(lambda: None)
    codec = converter.payload_codec
    assert isinstance(codec, Codec)
    assert codec.with_context(WorkflowSerializationContext("default", "w")) is codec


async def test_a_reader_is_told_why_a_value_cannot_be_read() -> None:
    (sent,) = await converter_with(lambda: AFTER).encode(["a canary"])
    with pytest.raises(PayloadUnreadable, match="key 'new', which this process does not have"):
        await converter_with(lambda: BEFORE).decode([sent], [str])
