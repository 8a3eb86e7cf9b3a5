"""The records that result from what strangers write: always valid, and never too large."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from streams.contract import inbound
from streams.contract.topics import MIB
from streams.sender.inbound.records import make_event, make_message
from streams.whatsapp.incoming import MAX_TEXT
from streams.whatsapp.web.incoming.rows import decode_change, decode_message
from tests.support.incoming import make_incoming
from tests.whatsapp.incoming.test_rows import ANYTHING, NAMES, ROW, TYPES


@given(st.dictionaries(st.sampled_from(NAMES), ANYTHING), st.sampled_from(TYPES) | ANYTHING)
def test_any_row_becomes_a_valid_record(fields: dict[str, Any], type_: Any) -> None:
    """Whatever a stranger sends, the sender does not fail on it."""
    for message in (
        decode_message({**ROW, **fields, "type": type_}),
        decode_change({**ROW, **fields, "change": type_}),
    ):
        record = make_message("main", message)
        assert inbound.decode(inbound.encode(record)) == record
        assert record.key
        make_event("main", message)


def test_the_largest_texts_fit_into_a_record() -> None:
    """Characters of which each takes six bytes in JSON, in every field."""
    text = "\x01" * 1_000_000
    row = ROW | {"type": "image", "caption": text, "name": text, "quoted": text, "id": text}
    value = inbound.encode(make_message("main", decode_message(row)))
    assert len(value) < MIB - 16_384
    assert len(inbound.decode(value).caption or "") == MAX_TEXT


def test_the_number_is_that_of_the_statuses() -> None:
    """WhatsApp writes a Mexican number with a 1 that its statuses do not have."""
    message = make_incoming("3A01", phone="+5215512345678")
    assert make_message("main", message).from_ == "+525512345678"
    event = make_event("main", message)
    assert event is not None
    assert event.phone == "+525512345678"
