"""The headers of a replay: which dead letter is replayed, and under which request id. Only parses and builds.

A replay is the original record, byte for byte, with these headers added. The request id is needed if the
original had none: its id came from its position in the log, and the replay has another position.
"""

import re
from typing import Final

import msgspec

from streams.contract.errors import InvalidRequest
from streams.contract.headers import Headers, get_last, get_text

REPLAY_OF: Final = "wa-replay-of"
REPLAY_COUNT: Final = "wa-replay-count"
REPLAY_FORCE: Final = "wa-replay-force"
REQUEST_ID: Final = "wa-request-id"
REPLAY_HEADERS: Final = frozenset({REPLAY_OF, REPLAY_COUNT, REPLAY_FORCE, REQUEST_ID})

_COUNT_PATTERN = re.compile(r"[0-9]{1,6}")


class ReplayInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The content of these headers. Without `dead_letter_id`, the record is not a replay."""

    dead_letter_id: str | None = None
    count: int = 0
    request_id: str | None = None
    is_forced: bool = False  # a person replays a message that may have arrived, or has arrived


def parse_headers(headers: Headers) -> ReplayInfo:
    """Read the headers. Raises InvalidRequest if they are present and malformed."""
    if get_last(headers, REPLAY_OF) is None:
        return ReplayInfo()
    dead_letter_id, count = get_text(headers, REPLAY_OF), get_text(headers, REPLAY_COUNT) or ""
    if not dead_letter_id or len(dead_letter_id) > 512 or not dead_letter_id.isprintable():
        raise InvalidRequest("schema_violation", f"header {REPLAY_OF}: does not name a dead letter")
    if not _COUNT_PATTERN.fullmatch(count):
        raise InvalidRequest("schema_violation", f"header {REPLAY_COUNT}: is not a whole number")
    return ReplayInfo(
        dead_letter_id=dead_letter_id,
        count=int(count),
        request_id=get_text(headers, REQUEST_ID),
        is_forced=get_text(headers, REPLAY_FORCE) == "true",
    )


def build_headers(original: Headers, replay: ReplayInfo) -> list[tuple[str, bytes | None]]:
    """The headers of the replay: the original headers, without those of an earlier replay, and these."""
    kept = [(name, value) for name, value in original if name not in REPLAY_HEADERS]
    replay_headers = [
        (REPLAY_OF, replay.dead_letter_id),
        (REPLAY_COUNT, str(replay.count)),
        (REPLAY_FORCE, "true" if replay.is_forced else None),
        (REQUEST_ID, replay.request_id),
    ]
    return [*kept, *((name, value.encode()) for name, value in replay_headers if value is not None)]
