"""Status events as columns of numbers: what a report needs of millions of events. Reads nothing, counts nothing.

A Python object for each event would cost more than everything else, so an event is decoded into a few fields, and its
fields go into arrays at once. Texts that come again and again (accounts, codes, batches) are numbers into a list.

A message is known by a hash of its recipient and its id: 64 bits, so two of ten million are taken for one in one of
300,000 reports.
"""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from streams.contract.timestamps import parse_rfc3339
from streams.operations.reports.countries import CountryFinder

Column = NDArray[Any]

ACCEPTED, REJECTED, SENT, DELIVERED, READ, FAILED, EXPIRED, CANCELLED, UNKNOWN = range(9)
# `played` says of a voice message what `read` says of another one.
STATUS_CODES: Final = {
    "accepted": ACCEPTED,
    "rejected": REJECTED,
    "sent": SENT,
    "delivered": DELIVERED,
    "read": READ,
    "played": READ,
    "failed": FAILED,
    "expired": EXPIRED,
    "cancelled": CANCELLED,
    "unknown": UNKNOWN,
}
# The codes of a refused cancel, edit or revoke (streams/domain/phone/handlers/): its `rejected` answers a request about
# a message, and the message itself is counted already.
REFUSAL_CODES: Final = frozenset(
    {
        "unknown_request",
        "not_sent_yet",
        "too_late_to_cancel",
        "too_late_to_edit",
        "too_late_to_revoke",
    }
)
NOTHING: Final = ""  # the first text of each list

# Of each message when it arrives: accepted, or rejected.
ARRIVAL_TYPES: Final = {
    "key": np.uint64,
    "at_ms": np.int64,
    "status": np.uint8,
    "account": np.int32,
    "batch": np.int32,
    "template": np.int32,
    "country": np.int32,
    "code": np.int32,
}
# Of each later status.
STEP_TYPES: Final = {
    "key": np.uint64,
    "at_ms": np.int64,
    "status": np.uint8,
    "account": np.int32,
    "code": np.int32,
}
TEXT_COLUMNS: Final = ("account", "batch", "template", "country", "code")


class _Error(msgspec.Struct, gc=False):
    code: str = NOTHING


class Event(msgspec.Struct, gc=False):
    """What a report needs of a status event (streams/contract/status.py)."""

    id: str
    status: str
    at: str
    to: str | None = None
    requested_to: str | None = None
    account: str | None = None
    batch_id: str | None = None
    template: str | None = None
    error: _Error | None = None


class Texts(dict[str, int]):
    """Gives each text a number: that of its first occurrence."""

    def __init__(self) -> None:
        super().__init__({NOTHING: 0})

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number


class Columns(NamedTuple):
    """Arrays of the same length by name, and what the numbers of texts mean."""

    arrivals: dict[str, Column]
    steps: dict[str, Column]
    texts: dict[str, list[str]]


class ColumnBuilder:
    """Collects values of `wa.status`, chunk by chunk."""

    def __init__(self) -> None:
        self._decode = msgspec.json.Decoder(Event).decode
        self._texts = {name: Texts() for name in TEXT_COLUMNS}
        self._countries = CountryFinder()
        self._arrivals: list[dict[str, Column]] = []
        self._steps: list[dict[str, Column]] = []

    def add(self, values: Sequence[bytes | None]) -> None:
        """The values of some records, in the order of their offsets. What is no message's is left out."""
        events = [event for event in self._decode_all(values) if _is_of_message(event)]
        times_ms = _read_times(events)
        if times_ms is None:
            events = [event for event in events if _is_time(event.at)]
            times_ms = np.array([parse_rfc3339(e.at) * 1000 for e in events], dtype=np.int64)
        if not events:
            return
        statuses = np.array([STATUS_CODES[event.status] for event in events], dtype=np.uint8)
        keys = np.frombuffer(b"".join([_make_key(event) for event in events]), dtype=np.uint64)
        accounts, codes = self._texts["account"], self._texts["code"]
        columns: dict[str, Column] = {
            "key": keys,
            "at_ms": times_ms,
            "status": statuses,
            "account": _to_numbers([accounts[e.account or NOTHING] for e in events]),
            "code": _to_numbers([codes[e.error.code if e.error else NOTHING] for e in events]),
        }
        is_arrival = statuses <= REJECTED
        self._add_arrivals(columns, is_arrival, events)
        is_step = statuses != ACCEPTED
        self._steps.append({name: column[is_step] for name, column in columns.items()})

    def _add_arrivals(
        self, columns: dict[str, Column], is_arrival: Column, events: Sequence[Event]
    ) -> None:
        arrived = [events[index] for index in np.flatnonzero(is_arrival).tolist()]
        if not arrived:
            return
        batches, templates, countries = (
            self._texts[name] for name in ("batch", "template", "country")
        )
        find_country = self._countries.find
        self._arrivals.append(
            {name: column[is_arrival] for name, column in columns.items()}
            | {
                "batch": _to_numbers([batches[e.batch_id or NOTHING] for e in arrived]),
                "template": _to_numbers([templates[e.template or NOTHING] for e in arrived]),
                "country": _to_numbers(
                    [countries[find_country(e.requested_to or e.to)] for e in arrived]
                ),
            }
        )

    def _decode_all(self, values: Sequence[bytes | None]) -> list[Event]:
        decode = self._decode
        try:
            return [decode(value) for value in values if value]
        except msgspec.DecodeError:
            return [event for value in values if value and (event := self._try(value)) is not None]

    def _try(self, value: bytes) -> Event | None:
        try:
            return self._decode(value)
        except msgspec.DecodeError:
            return None  # another program wrote it

    def build(self) -> Columns:
        """Everything that was collected."""
        return Columns(
            _join(self._arrivals, ARRIVAL_TYPES),
            _join(self._steps, STEP_TYPES),
            {name: list(texts) for name, texts in self._texts.items()},
        )


def merge(parts: Sequence[Columns]) -> Columns:
    """The columns of several builders as one: their texts get the same numbers."""
    texts = {name: Texts() for name in TEXT_COLUMNS}
    arrivals: list[dict[str, Column]] = []
    steps: list[dict[str, Column]] = []
    for part in parts:
        numbers = {
            name: _to_numbers([texts[name][text] for text in part.texts[name]])
            for name in TEXT_COLUMNS
        }
        arrivals.append(_renumber(part.arrivals, numbers))
        steps.append(_renumber(part.steps, numbers))
    return Columns(
        _join(arrivals, ARRIVAL_TYPES),
        _join(steps, STEP_TYPES),
        {name: list(known) for name, known in texts.items()},
    )


def _renumber(columns: dict[str, Column], numbers: dict[str, Column]) -> dict[str, Column]:
    return columns | {
        name: numbers[name][column] for name, column in columns.items() if name in numbers
    }


def _join(chunks: Sequence[dict[str, Column]], types: dict[str, Any]) -> dict[str, Column]:
    if not chunks:
        return {name: np.empty(0, dtype=kind) for name, kind in types.items()}
    return {
        name: np.concatenate([chunk[name] for chunk in chunks]).astype(kind, copy=False)
        for name, kind in types.items()
    }


def _is_of_message(event: Event) -> bool:
    is_refusal = event.error is not None and event.error.code in REFUSAL_CODES
    return event.status in STATUS_CODES and not (is_refusal and event.status == "rejected")


def _to_numbers(values: list[int]) -> Column:
    return np.array(values, dtype=np.int32)


def _make_key(event: Event) -> bytes:
    """The same for all statuses of a message, also if its chat has another number than the request."""
    name = f"{event.requested_to or event.to}/{event.id}"
    return blake2b(name.encode(errors="surrogatepass"), digest_size=8).digest()


def _read_times(events: Sequence[Event]) -> Column | None:
    """Milliseconds since the epoch; None: some are not written as wa-streams writes them."""
    if any(len(event.at) != 24 or event.at[-1] != "Z" for event in events):
        return None
    try:
        times = np.array([event.at[:-1] for event in events], dtype="datetime64[ms]")
    except ValueError:
        return None
    return times.astype(np.int64)


def _is_time(text: str) -> bool:
    try:
        parse_rfc3339(text)
    except ValueError:
        return False
    return True
