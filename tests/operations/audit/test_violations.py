"""One forged topic for each violation: the audit finds it, and nothing else."""

import pytest

from streams.contract.status import Status
from tests.operations.audit.forged import OTHER_PHONE, PHONE, START_S, ForgedTopics


@pytest.fixture
def topics() -> ForgedTopics:
    """Topics without records."""
    return ForgedTopics()


def test_a_request_without_an_event_is_lost(topics: ForgedTopics) -> None:
    """A valid request and an unreadable record that nobody answered, each named by its place."""
    records = {topics.request(), topics.request_bytes(b"not JSON")}
    report = topics.judge()
    assert {violation.kind for violation in report.violations} == {"unanswered"}
    assert {record for violation in report.violations for record in violation.records} == records


def test_a_young_request_waits(topics: ForgedTopics) -> None:
    """Before the timeout, a request without an event is no violation: it waits since its own time."""
    topics.request(at=950.0)
    report = topics.judge()
    assert (report.violations, report.waiting[0].since_s) == ([], START_S + 950)


def test_a_recipient_over_the_limit(topics: ForgedTopics) -> None:
    """The fourth message in less than 60 s is named with the three before it; at 60 s it is allowed."""
    for number in range(4):
        topics.request(id=f"m{number}")
        topics.events("accepted", id=f"m{number}", at=0.0)
    records = [
        topics.event("sent", f"m{number}", at=at) for number, at in enumerate((0.0, 20, 40, 59.9))
    ]
    (violation,) = topics.judge().violations
    assert (violation.kind, violation.to, violation.records) == (
        "over_limit",
        PHONE,
        tuple(records),
    )
    assert topics.judge(limit=4).violations == []


def test_an_unknown_message_counts_against_the_limit_once(topics: ForgedTopics) -> None:
    """It may have arrived when it became unknown; the receipt that proves it later is not a second message."""
    for number in range(4):
        record = topics.request(id=f"m{number}")
        topics.events("accepted", id=f"m{number}", at=0.0)
        if number == 0:
            topics.event("unknown", "m0", at=1.0)
            topics.letter(record, "m0", outcome="unknown")
            topics.event("sent", "m0", at=30.0)
        else:
            topics.event("sent", f"m{number}", at=61.0 + number)
    assert topics.judge().violations == []
    topics.request(id="m4")
    topics.events("accepted", "sent", id="m4", at=66.0)
    assert topics.find_kinds() == {"over_limit"}


@pytest.mark.parametrize(
    "names",
    [
        ("accepted", "sent", "queued"),
        ("accepted", "sent", "read", "delivered"),
        ("accepted", "sent", "expired"),
    ],
)
def test_a_status_that_goes_back(topics: ForgedTopics, names: tuple[Status, ...]) -> None:
    """No status goes back."""
    topics.request()
    topics.events(*names)
    assert topics.find_kinds() == {"status_went_back"}


@pytest.mark.parametrize("name", ["queued", "sent", "delivered", "cancelled"])
def test_an_event_after_a_final_status(topics: ForgedTopics, name: Status) -> None:
    """Nothing follows `expired`."""
    topics.request()
    topics.events("accepted", "expired", name)
    assert topics.find_kinds() == {"follows_final"}


def test_a_receipt_may_follow_unknown(topics: ForgedTopics) -> None:
    """It is the one thing that may follow a final status."""
    record = topics.request()
    topics.events("accepted", "unknown", "sent", "delivered")
    topics.letter(record, outcome="unknown")
    assert topics.judge().violations == []


def test_a_receipt_without_sent(topics: ForgedTopics) -> None:
    """`sent` is published before what the phone reports."""
    topics.request()
    topics.events("accepted", "delivered")
    assert topics.find_kinds() == {"sent_missing"}


def test_an_event_before_the_message_was_accepted(topics: ForgedTopics) -> None:
    """A message is accepted first."""
    topics.request()
    topics.events("queued", "sent")
    assert topics.find_kinds() == {"not_accepted"}


def test_a_whatsapp_id_of_two_messages(topics: ForgedTopics) -> None:
    """Two requests have one WhatsApp id: both events are named."""
    for id_ in "ab":
        topics.request(id=id_)
        topics.events("accepted", id=id_)
    records = {topics.event("sent", id_, whatsapp_id="3EB0") for id_ in "ab"}
    (violation,) = topics.judge().violations
    assert (violation.kind, set(violation.records)) == ("whatsapp_id_reused", records)


def test_a_message_sent_twice(topics: ForgedTopics) -> None:
    """A replay sends a message again that was sent, although nobody forced it."""
    record = topics.request()
    topics.events("accepted", "unknown", "sent")
    topics.letter(record, outcome="unknown")
    topics.request(replay_of=record)
    topics.event("accepted", suffix="2", at=2.0)
    topics.event("sent", suffix="2", at=3.0)
    assert topics.find_kinds() == {"sent_twice"}


def test_a_forced_replay_may_send_it_again(topics: ForgedTopics) -> None:
    """A person accepted a duplicate."""
    record = topics.request()
    topics.events("accepted", "unknown", "sent")
    topics.letter(record, outcome="unknown")
    topics.request(replay_of=record, is_forced=True)
    topics.event("accepted", suffix="2", at=2.0)
    topics.event("sent", suffix="2", at=3.0)
    assert topics.judge().violations == []


def test_two_numbers_of_one_recipient_are_sent_one_message(topics: ForgedTopics) -> None:
    """A message that is sent under both numbers is sent twice; one that moved is not."""
    topics.request()
    topics.events("accepted")
    topics.event("sent", to=OTHER_PHONE, requested_to=PHONE, at=2.0)
    assert topics.judge().violations == []
    topics.event("sent", at=3.0)
    assert topics.find_kinds() == {"sent_twice"}


def test_a_dead_letter_replayed_twice(topics: ForgedTopics) -> None:
    """Two replays of one dead letter lead to two messages."""
    record = topics.request()
    topics.events("accepted", "failed")
    topics.letter(record)
    replays = [topics.request(replay_of=record, at=2.0) for _ in range(2)]
    topics.event("accepted", suffix="2", at=2.0)
    topics.event("failed", suffix="2", at=2.0)
    topics.letter(replays[0], at=2.0)
    assert topics.judge().violations == []
    topics.event("accepted", suffix="3", at=3.0)
    topics.event("sent", suffix="3", at=3.0)
    assert topics.find_kinds() == {"replayed_twice"}


def test_an_event_id_of_two_facts(topics: ForgedTopics) -> None:
    """One event id names two facts; a repeat of one fact is no violation."""
    topics.request()
    topics.events("accepted")
    for _ in range(2):
        topics.event("sent", account="main")
    assert topics.judge().violations == []
    topics.event("sent", account="other")
    assert topics.find_kinds() == {"event_id_reused"}


def test_an_id_is_forgotten_after_the_window(topics: ForgedTopics) -> None:
    """It counts from `sent`. Then the id names a new message, whose events have the same event ids."""
    topics.request()
    topics.events("accepted", "sent")
    topics.event("read", at=500_000.0)
    topics.request(at=700_000.0)
    topics.events("accepted", "sent", at=700_001.0)
    assert topics.judge(now=700_100.0).violations == []
    assert topics.find_kinds(idempotency_window_s=800_000.0) == {"event_id_reused"}


def test_a_forgotten_id_whose_beginning_was_deleted(topics: ForgedTopics) -> None:
    """The first message has only its end in the topic; the second one is still a new message."""
    topics.event("sent", at=1.0)
    topics.request(at=700_000.0)
    topics.events("accepted", "sent", at=700_001.0)
    report = topics.judge(now=700_100.0, requests_from_s=START_S, statuses_from_s=START_S)
    assert report.violations == []


def test_messages_out_of_order(topics: ForgedTopics) -> None:
    """The second of two equal messages was sent first; an urgent one may overtake."""
    for id_, priority in (("a", "normal"), ("b", "normal"), ("c", "urgent")):
        topics.request(id=id_, priority=priority)
        topics.events("accepted", id=id_)
    for id_ in "cba":
        topics.events("sent", id=id_, at=2.0)
    (violation,) = topics.judge().violations
    assert (violation.kind, violation.id, len(violation.records)) == ("out_of_order", "b", 4)


def test_a_message_that_was_passed_over(topics: ForgedTopics) -> None:
    """It still waits, and one behind it was sent: unless it is scheduled, in doubt, or needs its own account."""
    topics.request(id="a")
    topics.request(id="b")
    topics.request(id="c", account="main")
    topics.events("accepted", id="c")
    topics.events("accepted", id="a")
    topics.events("accepted", "sent", id="b", at=2.0)
    assert topics.find_kinds() == {"out_of_order"}
    topics.event("queued", "a", reason="attempt_in_doubt")
    assert topics.judge().violations == []


def test_a_failure_without_its_dead_letter(topics: ForgedTopics) -> None:
    """A failed message and a rejected record without a dead letter; one with another outcome."""
    topics.request()
    topics.events("accepted", "failed")
    record = topics.request_bytes(b"not JSON")
    topics.event("rejected", record, None, suffix=record)
    assert [violation.kind for violation in topics.judge().violations] == [
        "dead_letter_missing"
    ] * 2
    unknown = topics.request(id="b")
    topics.events("accepted", "unknown", id="b")
    topics.letter(unknown, "b")
    assert len(topics.judge().violations) == 3


def test_a_message_of_a_recipient_who_opted_out_has_a_dead_letter(topics: ForgedTopics) -> None:
    """It was rejected while it waited, after `accepted`."""
    record = topics.request()
    topics.events("accepted", "queued", "rejected")
    assert topics.find_kinds() == {"dead_letter_missing"}
    topics.letter(record)
    assert topics.judge().violations == []


def test_a_dead_letter_without_a_failure(topics: ForgedTopics) -> None:
    """Of a message that was sent, and of one of which no event exists."""
    record = topics.request()
    topics.events("accepted", "sent")
    places = {topics.letter(record), topics.letter("wa.outbound:0:99", "z")}
    violations = topics.judge().violations
    assert {violation.kind for violation in violations} == {"dead_letter_unexplained"}
    assert {violation.records[0] for violation in violations} == places


def test_a_message_that_nobody_requested(topics: ForgedTopics) -> None:
    """The requests are whole, and none has this id."""
    topics.events("accepted", "sent")
    assert topics.find_kinds() == {"not_requested"}


def test_a_record_that_is_no_event(topics: ForgedTopics) -> None:
    """It is named: what it should have said cannot be judged."""
    topics.event_bytes(b"{}")
    assert topics.find_kinds() == {"unreadable"}
