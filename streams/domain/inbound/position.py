"""The position of an account in its received messages, as it is stored. Pure: no page, no clock.

WhatsApp Web numbers the messages of all chats in the order in which they arrived (`rowId`). History that a phone
gives to a new link has lower numbers than FIRST_ROW. So one number is the position in every chat. A number whose
message was deleted can be given again, so the position also names the message that has it.
"""

from typing import Final

from streams.domain.stored import Codec, Stored

FIRST_ROW: Final = 1_000_000_000  # source: WAWebDBStoreMessage
# A message that arrives is hardly ever older than one that arrived before it; after this long, never.
MAX_REORDER_S: Final = 3600.0
MAX_LINKING_S: Final = 300.0  # from the link of an account until it is ready for the first time


class Position(Stored, frozen=True):
    """Every message up to `row` is published, but for those in `pending`, whose content is not there yet.

    `key` is the message in the row, and `at_s` the latest time of a message so far. Messages of before `since_s`
    are not published, and changes of before `started_s` neither: there, the account began.
    """

    row: int = FIRST_ROW - 1
    key: str = ""
    at_s: float = 0.0
    since_s: float = 0.0
    started_s: float = 0.0
    pending: tuple[str, ...] = ()


def new_position(now_s: float, max_age_s: float) -> Position:
    """The position of an account that has none: since its link, and not longer than the records are kept."""
    return Position(since_s=now_s - max_age_s, started_s=now_s - MAX_LINKING_S, at_s=now_s)


def restarted(position: Position) -> Position:
    """The position after the message in its row has gone: rows are read again, by the times of the messages."""
    return Position(
        since_s=max(position.since_s, position.at_s - MAX_REORDER_S),
        at_s=position.at_s,
        started_s=position.started_s,
        pending=position.pending,
    )


CODEC: Final[Codec[Position]] = Codec(Position)
