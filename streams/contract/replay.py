"""The headers of a replayed request: which dead letter it is a replay of, and under which id it goes.

A replay is the original record, byte for byte, with these headers added. The id matters where the
original had none of its own: it was named after its place in the log, and the replay stands elsewhere.
"""

import re
from typing import Final

import msgspec

from streams.contract.errors import InvalidRequest
from streams.contract.headers import Headers, last, text

OF: Final = "wa-replay-of"
COUNT: Final = "wa-replay-count"
REQUEST_ID: Final = "wa-request-id"
NAMES: Final = frozenset({OF, COUNT, REQUEST_ID})

_COUNT = re.compile(r"[0-9]{1,6}")


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """What these headers say; without `of` the record is no replay."""

    of: str | None = None
    count: int = 0
    request_id: str | None = None


def read(headers: Headers) -> Replay:
    """Raises InvalidRequest if there are such headers and they are not well formed."""
    if last(headers, OF) is None:
        return Replay()
    of, count = text(headers, OF), text(headers, COUNT) or ""
    if not of or len(of) > 512 or not of.isprintable():
        raise InvalidRequest("schema_violation", f"header {OF}: names no dead letter")
    if not _COUNT.fullmatch(count):
        raise InvalidRequest("schema_violation", f"header {COUNT}: is no whole number")
    return Replay(of=of, count=int(count), request_id=text(headers, REQUEST_ID))


def headers(original: Headers, replay: Replay) -> list[tuple[str, bytes | None]]:
    """The headers of the replay: the original's, with these in place of those of an earlier replay."""
    kept = [(name, value) for name, value in original if name not in NAMES]
    added = [(OF, replay.of), (COUNT, str(replay.count)), (REQUEST_ID, replay.request_id)]
    return [*kept, *((name, value.encode()) for name, value in added if value is not None)]
