"""Rows that cannot be decoded, as poison in the changelog leaves them: none reaches `step`, none is recovered."""

from typing import Any, cast

import pytest

from streams.dispatch import phone_store
from streams.dispatch.phone_store import PhoneStore
from streams.runtime.store.rows import NotARow, UndecodableRow, check_record
from streams.testing.memory_table import Disk, InMemoryTable, ProcessKilled

PHONE = "+60123456789"


@pytest.mark.parametrize("key", [b"p" + PHONE.encode(), b"m+60\0id", b"d+60\0id", b"t+60\0id"])
def test_a_value_that_is_not_a_row_is_refused(key: bytes):
    """The reason names the kind of the row, and no phone number."""
    with pytest.raises(UndecodableRow) as error:
        check_record(key, b"\xc1 is poison", phone_store.check_row)
    assert key[:1].decode() in str(error.value)
    assert "+60" not in str(error.value)


@pytest.mark.parametrize("key", [None, b"", b"zebra", b"__faust\0offset__", b"__faust\0other"])
def test_a_key_that_is_not_ours_is_refused(key: bytes | None):
    """No reader of the table looks for it, and one of them would move the table's own offset."""
    with pytest.raises(NotARow):
        check_record(key, b"value", phone_store.check_row)


def test_deletions_and_the_ids_of_topics_are_taken():
    """They are written by every table."""
    check_record(b"p" + PHONE.encode(), None, phone_store.check_row)
    check_record(b"__faust\0topic\0wa.outbound", bytes(16), phone_store.check_row)


def test_a_row_that_cannot_be_decoded_ends_the_process():
    """It is no answer to an event, and the store is rebuilt without it."""
    disk = Disk(rows={b"p" + PHONE.encode(): b"\xc1 is poison"})
    store = PhoneStore(cast("Any", InMemoryTable(disk)), 0)
    with pytest.raises(ProcessKilled):
        store.get_phone(PHONE)
    with pytest.raises(ProcessKilled):
        store.scan_phones(b"", 10)
