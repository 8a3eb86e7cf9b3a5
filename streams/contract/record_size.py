"""How large a record is, and how it is shortened. Only counts and cuts bytes.

Sizes are those of the uncompressed record: how well a record compresses is an accident. A topic's limit
(`max.message.bytes`) is checked on the compressed batch, so a record that fits uncompressed always fits.
"""

from typing import Final

import msgspec

from streams.contract.headers import Headers

# More than Kafka's own record format, our internal format and a log need for a header.
HEADER_OVERHEAD_BYTES: Final = 16
MAX_KEPT_KEY_BYTES: Final = 65_536
MAX_KEPT_HEADERS_BYTES: Final = 262_144


class CutBytes(bytes):
    """The first bytes of a field that was too large to be read whole; `full_size` is its whole length."""

    full_size: int

    def __new__(cls, start: bytes, full_size: int) -> "CutBytes":
        """`start` is what was read."""
        cut = super().__new__(cls, start)
        cut.full_size = full_size
        return cut


def full_size(data: bytes | None) -> int:
    """The length of a key, value or header as its producer wrote it."""
    if data is None:
        return 0
    return data.full_size if isinstance(data, CutBytes) else len(data)


def measure(key: bytes | None, value: bytes | None, headers: Headers) -> int:
    """The size of a record: key, value and headers, uncompressed."""
    return full_size(key) + full_size(value) + measure_headers(headers)


def measure_headers(headers: Headers) -> int:
    """The size of all headers, with an overhead for each: thousands of empty ones are large, too."""
    return sum(_measure_header(name, value) for name, value in headers)


def _measure_header(name: str, value: bytes | None) -> int:
    # The name's text may be longer as UTF-8; four bytes for each character is the most.
    name_size = len(name) if name.isascii() else 4 * len(name)
    return name_size + full_size(value) + HEADER_OVERHEAD_BYTES


class ShortRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A record that is small enough. `full_…` is set for what was cut: lengths in bytes, a number of headers."""

    key: bytes | None
    value: bytes | None
    headers: Headers
    full_value_size: int | None = None
    full_key_size: int | None = None
    full_header_count: int | None = None


def shorten(
    key: bytes | None, value: bytes | None, headers: Headers, max_bytes: int
) -> ShortRecord:
    """The record with at most `max_bytes`. Nothing is cut if it fits.

    Otherwise a key and headers that are larger than any sensible ones are cut first: the first bytes of
    the key and the first headers are kept. The value gets what room is left.
    """
    if measure(key, value, headers) <= max_bytes:
        return ShortRecord(key=key, value=value, headers=headers)
    short_key = cut(key, min(MAX_KEPT_KEY_BYTES, max_bytes // 4))
    short_headers = _first_headers(headers, min(MAX_KEPT_HEADERS_BYTES, max_bytes // 4))
    room = max_bytes - len(short_key or b"") - measure_headers(short_headers)
    short_value = cut(value, room)
    return ShortRecord(
        key=short_key,
        value=short_value,
        headers=short_headers,
        full_value_size=_full_size_if_cut(value, short_value),
        full_key_size=_full_size_if_cut(key, short_key),
        full_header_count=len(headers) if len(short_headers) < len(headers) else None,
    )


def cut(data: bytes | None, max_bytes: int) -> bytes | None:
    """The first bytes; None stays None."""
    return None if data is None else bytes(data[:max_bytes])


def _full_size_if_cut(data: bytes | None, short: bytes | None) -> int | None:
    size = full_size(data)
    return size if size > len(short or b"") else None


def _first_headers(headers: Headers, max_bytes: int) -> Headers:
    if measure_headers(headers) <= max_bytes:
        return headers
    size = 0
    for index, (name, value) in enumerate(headers):
        size += _measure_header(name, value)
        if size > max_bytes:
            return headers[:index]
    return headers
