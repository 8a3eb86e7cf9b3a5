"""Reads the public topics for the audit: the requests, then the events, then the dead letters. Judges nothing.

Each topic is read up to its end at that time, in the order of cause and effect. So every answer that is read belongs
to a request that is read, unless the retention deleted it.
"""

from collections.abc import AsyncIterator, Callable

from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.reader import Reader, Record, open_reader
from streams.kafka.topics import names
from streams.operations.audit.evidence import Evidence
from streams.operations.audit.facts import Report, Terms
from streams.operations.audit.judge import judge
from streams.settings import Settings

DEFAULT_ANSWER_TIMEOUT_S = 300.0
OnProgress = Callable[[str, float], None]  # the topic, and the part of it that was read
_PROGRESS_EVERY = 1000


async def audit(
    settings: Settings,
    since_s: float | None = None,
    *,
    answer_timeout_s: float = DEFAULT_ANSWER_TIMEOUT_S,
    on_progress: OnProgress = lambda topic, fraction: None,
) -> Report:
    """Read the topics, from this time on (epoch seconds) or as far back as they go, and judge them.

    A request or a failure that is older than `answer_timeout_s` and has no answer or dead letter is a violation.
    """
    topics = names(settings)
    now_s = await fetch_broker_time_s(settings)
    evidence = Evidence(settings.default_region, settings.max_request_bytes, topics.status)
    # Another broker's clock may be behind that of the request, and an answer must not be missed for it.
    answers_since_s = since_s and max(0.0, since_s - settings.clock_skew_ms / 1000)
    requests = _TopicReading(settings, topics.outbound, since_s, on_progress)
    statuses = _TopicReading(settings, topics.status, answers_since_s, on_progress)
    letters = _TopicReading(settings, topics.dlq, answers_since_s, on_progress)
    async for record in requests.read():
        position, append_s = _format_position(record), record.timestamp / 1000
        evidence.add_request(position, append_s, record.key, record.value, record.headers)
    async for record in statuses.read():
        evidence.add_status(_format_position(record), record.value)
    async for record in letters.read():
        evidence.add_letter(_format_position(record), record.key, record.value, record.headers)
    terms = Terms(
        now_s=now_s,
        limit=settings.rate_limit_per_minute,
        answer_timeout_s=answer_timeout_s,
        idempotency_window_s=settings.idempotency_window_s,
        requests_from_s=requests.get_whole_from_s(now_s),
        statuses_from_s=statuses.get_whole_from_s(now_s),
        letters_from_s=letters.get_whole_from_s(now_s),
    )
    return judge(evidence, terms)


def _format_position(record: Record) -> str:
    return f"{record.topic}:{record.partition}:{record.offset}"


class _TopicReading:
    """One topic, read once. Afterwards it says from which time on the topic is whole."""

    def __init__(
        self, settings: Settings, topic: str, since_s: float | None, on_progress: OnProgress
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._since_s = since_s
        self._on_progress = on_progress
        self._cut_partitions: set[int] = set()  # the retention deleted records of these
        self._first_times_s: dict[int, float] = {}

    async def read(self) -> AsyncIterator[Record]:
        """Every record of committed transactions."""
        async with open_reader(self._settings, self._topic, committed_only=True) as reader:
            total, count = await self._seek(reader), 0
            async for record in reader.read_to_end():
                self._first_times_s.setdefault(record.partition, record.timestamp / 1000)
                count += 1
                if count % _PROGRESS_EVERY == 0:
                    self._on_progress(self._topic, count / max(total, 1))
                yield record

    async def _seek(self, reader: Reader) -> int:
        """Go to where reading begins; returns about how many records follow."""
        oldest, ends = await reader.beginning_offsets(), await reader.end_offsets()
        starts = oldest
        if self._since_s is not None:
            starts = await reader.offsets_for_time(self._since_s)
            reader.seek(starts)
        self._cut_partitions = {
            tp.partition for tp, start in starts.items() if 0 < start <= oldest[tp]
        }
        return sum(end - starts[tp] for tp, end in ends.items())

    def get_whole_from_s(self, now_s: float) -> float:
        """The time from which on nothing is missing; 0 if nothing is. A partition that lost everything: from now on.

        The last deleted record may have the time of the first that is left.
        """
        times_s = [self._first_times_s.get(n, now_s) + 0.001 for n in self._cut_partitions]
        return max([self._since_s or 0.0, *times_s])
