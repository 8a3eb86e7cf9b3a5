"""What waits, and why: read from the log of the dispatchers' rows, so of the whole cluster, whoever runs.

It joins no group and changes nothing. What it returns is what the rows said when it read them; a request
that no dispatcher has read yet has no row, and is counted apart.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from aiokafka import TopicPartition

from streams.dispatch import phone_store
from streams.domain.consent import state as consents
from streams.domain.consent.state import Consent
from streams.domain.conversation import Conversation, is_current
from streams.domain.numbers import InvalidPhone
from streams.domain.phone import state as stored
from streams.domain.phone import waiting
from streams.domain.phone.state import Message, Phone, State
from streams.domain.phone.values.queue_rows import PRIORITIES
from streams.domain.phone.waiting import Explanation
from streams.domain.recipients import to_recipient
from streams.kafka import lag
from streams.kafka.reader import Reader, choose_partition, open_reader
from streams.kafka.topics import ROWS, changelog_topic, dispatch_app_id, names
from streams.operations.errors import UsageError
from streams.settings import Settings

# Called with the part that has been read, from 0 to 1.
OnProgress = Callable[[float], None]

_PROGRESS_EVERY_RECORDS: Final = 5000


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message that waits or is with a sender, and why."""

    message: Message
    explanation: Explanation

    @property
    def is_in_flight(self) -> bool:
        """Whether a sender has it."""
        return self.message.state is State.DISPATCHED


@dataclass(frozen=True, slots=True)
class RecipientQueue:
    """One recipient: its row, and its messages in the order in which they would go."""

    row: Phone
    messages: list[QueuedMessage] = field(default_factory=list[QueuedMessage])

    @property
    def in_flight(self) -> QueuedMessage | None:
        """The message that a sender has."""
        return next((queued for queued in self.messages if queued.is_in_flight), None)

    @property
    def is_overdue(self) -> bool:
        """Whether the sender of the message in flight does not answer."""
        return self.in_flight is not None and self.in_flight.explanation.reason == waiting.OVERDUE

    @property
    def waiting(self) -> list[QueuedMessage]:
        """Those that wait."""
        return [queued for queued in self.messages if not queued.is_in_flight]

    @property
    def first(self) -> QueuedMessage:
        """The message that stands for the others: the one in flight, else the first that has a reason."""
        reasoned = (
            queued for queued in self.messages if queued.explanation.reason != waiting.IN_TURN
        )
        return next(reasoned, self.messages[0])

    @property
    def oldest_s(self) -> float:
        """When the first of these messages was accepted."""
        return min((queued.message.accepted_at_s for queued in self.messages), default=0.0)


@dataclass(frozen=True, slots=True)
class Recipient:
    """What the rows say of one recipient: also if nothing waits for it."""

    queue: RecipientQueue | None
    account: str | None  # the last one used or written to
    conversation: Conversation | None
    consent: Consent | None


def parse_recipient(settings: Settings, phone: str) -> str:
    """The recipient's number as the rows have it.

    Raises:
        UsageError: this is not a phone number.
    """
    try:
        return to_recipient(phone, settings.default_region)
    except InvalidPhone as error:
        raise UsageError(f"{phone}: {error}") from None


async def read_queues(settings: Settings, on_progress: OnProgress) -> list[RecipientQueue]:
    """Every recipient with open messages; those that wait longest come first.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    rows = await _load_rows(settings, None, on_progress)
    return sorted(rows.build_queues(), key=lambda queue: (queue.oldest_s, queue.row.phone))


async def read_recipient(
    settings: Settings, phone: str, now_s: float, on_progress: OnProgress
) -> Recipient:
    """This recipient. Its conversation, if it goes on at this time.

    Raises:
        KafkaUnreachable, TopicNotFound: see streams/kafka/reader.py.
    """
    rows = await _load_rows(settings, phone, on_progress)
    row = rows.last_row
    conversation = row.conversation if row is not None else None
    if conversation and not is_current(conversation, now_s, settings.conversation_expiry_s):
        conversation = None
    return Recipient(
        queue=next(iter(rows.build_queues()), None),
        account=row.account if row is not None else None,
        conversation=conversation,
        consent=rows.consent,
    )


async def _load_rows(settings: Settings, phone: str | None, on_progress: OnProgress) -> "_Rows":
    topic = changelog_topic(dispatch_app_id(settings), ROWS)
    partition = None if phone is None else choose_partition(phone.encode(), settings.partitions)
    rows = _Rows(phone)
    async with open_reader(settings, topic, partition=partition) as reader:
        await _read_rows(reader, rows, on_progress)
    return rows


async def count_unread(settings: Settings) -> int:
    """Records that the dispatchers have still to read: requests, and events of the phone log."""
    topic_names = names(settings)
    lags = await lag.read_lag(
        settings, dispatch_app_id(settings), (topic_names.outbound, topic_names.phone)
    )
    return sum(partition_lag.lag for partition_lag in lags.values())


async def _read_rows(reader: Reader, rows: "_Rows", on_progress: OnProgress) -> None:
    begins, ends = await reader.beginning_offsets(), await reader.end_offsets()
    total = sum(ends.values()) - sum(begins.values())
    positions = dict(begins)
    count = 0
    async for record in reader.read_to_end():
        if record.key is not None:
            rows.apply(record.key, record.value)
        positions[TopicPartition(record.topic, record.partition)] = record.offset + 1
        count += 1
        if count % _PROGRESS_EVERY_RECORDS == 0:
            on_progress((sum(positions.values()) - sum(begins.values())) / max(total, 1))


class _Rows:
    """The rows of the recipients that have open messages; what is complete is dropped at once."""

    def __init__(self, phone: str | None) -> None:
        self._only_phone = phone
        self.last_row: Phone | None = None  # of the only phone
        self.consent: Consent | None = None
        self._phones: dict[str, Phone] = {}
        self._messages: dict[str, dict[str, Message]] = {}

    def apply(self, key: bytes, value: bytes | None) -> None:
        """A record of the log: a row is this now, or it is removed."""
        kind, phone, request_id = phone_store.split_row_key(key)
        if self._only_phone not in (None, phone):
            return
        if kind == phone_store.PHONE:
            self._apply_phone(phone, value)
        elif kind == phone_store.MESSAGE:
            self._apply_message(phone, request_id, value)
        elif kind == phone_store.CONSENT and self._only_phone is not None:
            self.consent = None if value is None else consents.decode(value)

    def _apply_phone(self, phone: str, value: bytes | None) -> None:
        row = None if value is None else stored.decode_phone(value)
        self.last_row = row if self._only_phone is not None else None
        if row is None or not (row.waiting_count or row.in_flight):
            self._phones.pop(phone, None)
        else:
            self._phones[phone] = row

    def _apply_message(self, phone: str, request_id: str, value: bytes | None) -> None:
        message = None if value is None else stored.decode_message(value)
        if message is not None and waiting.is_open(message):
            self._messages.setdefault(phone, {})[request_id] = message
        elif phone in self._messages:
            self._messages[phone].pop(request_id, None)

    def build_queues(self) -> Iterable[RecipientQueue]:
        """Each recipient with its open messages."""
        for phone, row in self._phones.items():
            messages = _order(row, self._messages.get(phone, {}))
            if messages:
                queued = [QueuedMessage(item, waiting.explain(row, item)) for item in messages]
                yield RecipientQueue(row, queued)


def _order(row: Phone, messages: Mapping[str, Message]) -> list[Message]:
    """In flight, then by priority and arrival, then what is scheduled, by its time."""
    in_flight_id = row.in_flight.id if row.in_flight else None

    def key(message: Message) -> tuple[bool, bool, float, int, int]:
        is_scheduled = message.state is State.SCHEDULED
        at_s = message.send_at_s if is_scheduled else 0.0
        rank = PRIORITIES.index(message.priority)
        return message.id != in_flight_id, is_scheduled, at_s, rank, message.arrival

    return sorted(messages.values(), key=key)
