"""The size of a record, and what is left of one that is too large."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from streams.contract import dead_letter, record_size
from streams.contract.headers import Headers
from streams.contract.record_size import CutBytes
from tests.contract.test_dead_letters import LETTER

SIZES = st.sampled_from([0, 1, 99, 100, 101, 5_000, 70_000, 300_000])
# Values stand for themselves by their size alone: a large one costs nothing to draw.
FIELDS = st.builds(lambda size: b"x" * size, SIZES) | st.none()
HEADERS = st.lists(
    st.tuples(st.sampled_from(["", "a", "é", "wa-dlq-id", "wa-dlq-truncated"]), FIELDS), max_size=5
) | st.just([("", None)] * 20_000)


@given(FIELDS, FIELDS, HEADERS, st.sampled_from([1000, 100_000, 400_000, 1_000_000]))
def test_a_short_record_fits_and_says_what_was_cut(
    key: bytes | None, value: bytes | None, headers: Headers, max_bytes: int
) -> None:
    """Nothing is cut that fits; what was cut is a beginning, and its full length is there."""
    short = record_size.shorten(key, value, headers, max_bytes)
    assert record_size.measure(short.key, short.value, short.headers) <= max_bytes
    if record_size.measure(key, value, headers) <= max_bytes:
        assert (short.key, short.value, short.headers) == (key, value, headers)
    for full, kept, full_size in (
        (key, short.key, short.full_key_size),
        (value, short.value, short.full_value_size),
        (headers, short.headers, short.full_header_count),
    ):
        assert (full is None) == (kept is None)
        assert full is None or full[: len(kept or b"")] == kept
        assert full_size == (None if full == kept else len(full or b""))


@given(FIELDS, FIELDS, HEADERS, st.sampled_from([40_000, 200_000, 1_000_000]))
def test_a_short_dead_letter_reads_back(
    key: bytes | None, value: bytes | None, headers: Headers, max_bytes: int
) -> None:
    """Its record has at most the size that was asked for, whatever the original headers say."""
    letter = replace(LETTER, key=key, value=value, headers=tuple(headers)).shorten(max_bytes)
    record_headers = letter.build_record_headers()
    assert record_size.measure(letter.key, letter.value, record_headers) <= max_bytes
    assert dead_letter.parse(letter.key, letter.value, record_headers) == letter
    assert letter.info.is_truncated == (
        (letter.key, letter.value, letter.headers) != (key, value, tuple(headers))
    )


def test_a_field_that_was_not_read_whole_counts_with_its_full_size() -> None:
    """A record that unpacks to gigabytes is only read in part, and its dead letter names its length."""
    value = CutBytes(b"abc", 5_000_000_000)
    assert record_size.measure(None, value, []) == 5_000_000_000
    short = record_size.shorten(None, value, [], 1000)
    assert (short.value, short.full_value_size) == (b"abc", 5_000_000_000)
