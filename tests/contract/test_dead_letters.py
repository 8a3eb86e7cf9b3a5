"""Dead letters: the original record with headers, read back and replayed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.contract import dead_letter
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo, InvalidDeadLetter
from streams.contract.headers import Headers
from streams.contract.request import parse

LETTER = DeadLetter(
    info=DeadLetterInfo(
        id="wa.outbound:3:4711",
        reason="recipient_not_on_whatsapp",
        error_class="permanent",
        message="The number is not on WhatsApp: né",
        attempts=1,
        first_failed_at="2026-11-24T09:00:00.000Z",
        last_failed_at="2026-11-24T09:00:01.000Z",
        topic="wa.outbound",
        partition=3,
        offset=4711,
        timestamp=1_795_510_800_000,
        outcome="not_sent",
        request_id="order-8841-shipped",
        replay_count=0,
        account="sales-1",
    ),
    key=b"k",
    value=b'{"to":"+60123456789","text":"hello"}',
    headers=(("traceparent", b"00-x"), ("null", None), ("ce_id", b"\xff")),
)


def test_a_dead_letter_keeps_the_original_and_adds_headers() -> None:
    """The original headers come first, then those of the contract, then those of generic tools."""
    assert LETTER.build_record_headers() == [
        ("traceparent", b"00-x"),
        ("null", None),
        ("ce_id", b"\xff"),
        ("wa-dlq-id", b"wa.outbound:3:4711"),
        ("wa-dlq-reason", b"recipient_not_on_whatsapp"),
        ("wa-dlq-class", b"permanent"),
        ("wa-dlq-message", "The number is not on WhatsApp: né".encode()),
        ("wa-dlq-attempts", b"1"),
        ("wa-dlq-first-failed-at", b"2026-11-24T09:00:00.000Z"),
        ("wa-dlq-last-failed-at", b"2026-11-24T09:00:01.000Z"),
        ("wa-dlq-original-topic", b"wa.outbound"),
        ("wa-dlq-original-partition", b"3"),
        ("wa-dlq-original-offset", b"4711"),
        ("wa-dlq-original-timestamp", b"1795510800000"),
        ("wa-dlq-outcome", b"not_sent"),
        ("wa-request-id", b"order-8841-shipped"),
        ("wa-replay-count", b"0"),
        ("wa-dlq-account", b"sales-1"),
        ("__connect.errors.topic", b"wa.outbound"),
        ("__connect.errors.partition", b"3"),
        ("__connect.errors.offset", b"4711"),
        ("__connect.errors.exception.class.name", b"recipient_not_on_whatsapp"),
        ("__connect.errors.exception.message", "The number is not on WhatsApp: né".encode()),
    ]


@given(st.lists(st.tuples(st.sampled_from(["a", "wa-dlq-id", "wa-replay-of"]), st.binary())))
def test_a_dead_letter_reads_back_as_it_was_written(original: Headers) -> None:
    """A dead letter can be read back, whatever headers the original had."""
    letter = replace(LETTER, headers=tuple(original))
    assert dead_letter.parse(letter.key, letter.value, letter.build_record_headers()) == letter


def test_the_replay_of_a_dead_letter_is_its_original() -> None:
    """A replay has the original bytes, the request id, and the id of its dead letter."""
    letter = replace(LETTER, headers=(("x", b"1"),))
    assert letter.build_replay_headers() == [
        ("x", b"1"),
        ("wa-replay-of", b"wa.outbound:3:4711"),
        ("wa-replay-count", b"1"),
        ("wa-request-id", b"order-8841-shipped"),
    ]


def test_a_forced_replay_is_marked_once() -> None:
    """The mark is for this replay: the dead letter of its message does not pass it on."""
    headers = LETTER.build_replay_headers(is_forced=True)
    assert parse.parse(LETTER.value, headers, max_bytes=1000).is_replay_forced
    again = replace(LETTER, headers=tuple(headers)).build_replay_headers()
    assert not parse.parse(LETTER.value, again, max_bytes=1000).is_replay_forced


def test_the_replay_of_a_replay_names_the_last_dead_letter_only() -> None:
    """Each dead letter revives the message once, and the original never changes."""
    again = replace(
        LETTER,
        info=replace(LETTER.info, id="wa.outbound:5:9", replay_count=1),
        headers=tuple(LETTER.build_replay_headers()),
    )
    read = dead_letter.parse(again.key, again.value, again.build_record_headers())
    replayed = read.build_replay_headers()
    assert [name for name, _ in replayed].count("wa-replay-of") == 1
    parsed = parse.parse(again.value, replayed[3:], max_bytes=1000)
    assert (parsed.id, parsed.replay_of, parsed.replay_count) == (
        "order-8841-shipped",
        "wa.outbound:5:9",
        2,
    )


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ([], "has no header wa-dlq-id"),
        ([("wa-dlq-id", b"a:1:2")], "wa-dlq-reason"),
        ([("wa-dlq-id", None)], "wa-dlq-reason"),
        ([("wa-dlq-id", b"\xff")], "utf-8"),
        (
            [
                (name, b"?" if "partition" in name else v)
                for name, v in LETTER.build_record_headers()
            ],
            "wa-dlq-original-partition",
        ),
    ],
)
def test_a_record_that_is_not_a_dead_letter(headers: Headers, message: str) -> None:
    """For a record of another program, the error names the header that is wrong."""
    with pytest.raises(InvalidDeadLetter, match=message):
        dead_letter.parse(None, None, headers)
