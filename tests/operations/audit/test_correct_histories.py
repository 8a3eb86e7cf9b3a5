"""Any correct history has no violation, whatever is repeated, and whatever the retention has deleted."""

from collections import deque
from dataclasses import dataclass

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.operations.audit.forged import LIMIT, OTHER_PHONE, PHONE, START_S, ForgedTopics

_OUTCOMES = ("sent", "delivered", "read", "retried", "failed", "expired", "unknown", "proved")


@dataclass
class Service:
    """A naive service: each recipient's messages one after the other, each answered with what was drawn."""

    topics: ForgedTopics
    at: float = 0.0
    accepted_at: float = 0.0

    def serve(self, to: str, messages: list[tuple[str, str, bool]]) -> None:
        """Request all of them, then send them in order, at the limit."""
        records = [self.topics.request(id_, to, self.at) for id_, _, _ in messages]
        self.accepted_at = self.at
        for id_, _, _ in messages:
            self.topics.event("accepted", id_, to, self.at)
        window: deque[float] = deque(maxlen=LIMIT)
        for record, (id_, outcome, is_repeated) in zip(records, messages, strict=True):
            self.at += 1.0
            if len(window) == LIMIT:
                self.topics.event("queued", id_, to, self.at, reason="rate_limited")
                self.at = max(self.at, window[0] + 60.0)
            window.append(self.at)
            self._finish(record, id_, to, outcome)
            if is_repeated:
                self._repeat(id_, to)

    def _finish(self, record: str, id_: str, to: str, outcome: str) -> None:
        topics, whatsapp_id = self.topics, f"3EB0{to}{id_}"
        if outcome == "retried":
            topics.event("queued", id_, to, self.at, suffix="9", reason="retry")
        if outcome in ("failed", "unknown", "proved"):
            name = "failed" if outcome == "failed" else "unknown"
            topics.event(name, id_, to, self.at)
            topics.letter(record, id_, self.at, "not_sent" if outcome == "failed" else "unknown")
        if outcome == "expired":
            topics.event("expired", id_, to, self.at)
        if outcome not in ("failed", "unknown", "expired"):
            topics.event("sent", id_, to, self.at, whatsapp_id=whatsapp_id)
        if outcome in ("delivered", "read"):
            topics.event("delivered", id_, to, self.at, whatsapp_id=whatsapp_id)
        if outcome == "read":
            topics.event("read", id_, to, self.at, whatsapp_id=whatsapp_id)

    def _repeat(self, id_: str, to: str) -> None:
        """The caller requests it again, and gets an event that it has already."""
        self.topics.request(id_, to, self.at)
        self.topics.event("accepted", id_, to, self.accepted_at)


_messages = st.lists(
    st.tuples(st.sampled_from([PHONE, OTHER_PHONE]), st.sampled_from(_OUTCOMES), st.booleans()),
    max_size=8,
)


@settings(max_examples=60)
@given(_messages)
def test_a_correct_history_has_no_violation(messages: list[tuple[str, str, bool]]) -> None:
    """Messages to two recipients with any outcomes, under ids that both recipients have, some of them repeated."""
    topics = _serve(messages)
    report = topics.judge(now=10_000.0)
    assert (report.violations, report.unjudged, report.waiting) == ([], {}, [])
    assert report.messages == len(messages)


@settings(max_examples=60)
@given(_messages, st.integers(0, 20), st.integers(0, 20), st.integers(0, 20))
def test_what_was_deleted_is_not_a_violation(
    messages: list[tuple[str, str, bool]], requests: int, statuses: int, letters: int
) -> None:
    """The first records of each topic are gone, as the retention deletes them: nothing that is left is wrong."""
    topics = _serve(
        messages, ForgedTopics(cut={"outbound": requests, "status": statuses, "dlq": letters})
    )
    assert topics.judge(now=10_000.0, **topics.get_cut_terms(10_000.0)).violations == []


def _serve(
    messages: list[tuple[str, str, bool]], topics: ForgedTopics | None = None
) -> ForgedTopics:
    topics = topics or ForgedTopics()
    service = Service(topics)
    for to in (PHONE, OTHER_PHONE):
        own = [
            (f"m{n}", outcome, repeat)
            for n, (phone, outcome, repeat) in enumerate(messages)
            if phone == to
        ]
        service.serve(to, own)
    return topics


def test_a_cut_topic_says_what_it_cannot_judge() -> None:
    """The request and the first events of a message are gone: that is counted, and named by its reason."""
    topics = ForgedTopics()
    topics.event("sent", at=5.0)
    report = topics.judge(requests_from_s=START_S + 4, statuses_from_s=START_S + 4)
    assert report.violations == []
    assert set(report.unjudged) == {
        "history: its beginning was deleted",
        "answer: its request was deleted",
    }


def test_a_clock_that_is_set_back_hides_the_limit() -> None:
    """What is before and after cannot be compared, and that is counted."""
    topics = ForgedTopics()
    for number, at in enumerate((100.0, 101.0, 102.0, 90.0)):
        topics.request(f"m{number}")
        topics.event("accepted", f"m{number}", at=0.5)
        topics.event("sent", f"m{number}", at=at)
    report = topics.judge()
    assert report.violations == []
    assert report.unjudged == {"limit: the broker's clock was set back": 1}


def forge_batch(rejected: str) -> ForgedTopics:
    """A batch with an own id, one of the batch, and a member that is rejected, whose event has this suffix."""
    topics = ForgedTopics()
    messages = [{"to": PHONE, "text": "x"}, {"to": "12"}, {"to": PHONE, "id": "5", "text": "x"}]
    fields = {"type": "batch", "batch_id": "b/1", "first": 4, "messages": messages}
    record = topics.request_bytes(orjson.dumps(fields))
    for id_ in ("b/1/4", "5"):
        topics.event("accepted", id_, at=1.0)
    for at, id_ in ((2.0, "b/1/4"), (3.0, "5")):
        topics.event("sent", id_, at=at, whatsapp_id=f"3EB0{id_}")
    topics.event("rejected", "b/1/5", None, suffix=f"{record}/{rejected}")
    topics.letter(f"{record}/5", "b/1/5")
    return topics


def test_members_of_a_batch_are_requests() -> None:
    """Each is answered under its own id or under the batch's; one that is not valid is rejected alone."""
    assert forge_batch("5").judge().violations == []


def test_the_wrong_member_is_rejected() -> None:
    """A letter and an answer belong to one member, not to its batch."""
    kinds = {violation.kind for violation in forge_batch("6").judge().violations}
    assert kinds == {"unanswered", "dead_letter_missing", "dead_letter_unexplained"}


def test_a_cancel_is_answered_only_if_it_cancels_nothing() -> None:
    """It is a record of its own: `rejected`, with a dead letter."""
    topics = ForgedTopics()
    value = orjson.dumps({"type": "cancel", "to": PHONE, "request_id": "c"})
    topics.request_bytes(value)
    record = topics.request_bytes(value)
    topics.event("rejected", "c", suffix=record)
    topics.letter(record, "c")
    assert topics.judge().violations == []
