"""The verdict on the evidence of the topics: which guarantee was broken, what waits, what cannot be judged. Pure.

Each rule is one function. A rule that needs a record which the retention may have deleted judges only facts that are
younger than what its topic still has.

What it does not see: whether each repeat of a request was answered (a repeat gets an event that was published
before), and what arrived on phones.
"""

from collections.abc import Sequence
from functools import partial

from streams.operations.audit import recipient, thread
from streams.operations.audit.dead_letters import judge_letters
from streams.operations.audit.evidence import Evidence
from streams.operations.audit.facts import (
    MessageLog,
    Report,
    RequestFact,
    StatusFact,
    Terms,
    Violation,
    Waiting,
    unpack,
)
from streams.operations.audit.history import History, trace
from streams.operations.audit.thread import Thread


def judge(evidence: Evidence, terms: Terms) -> Report:
    """The verdict. It reads the evidence and changes nothing in it."""
    report = Report(
        requests=evidence.request_count,
        events=evidence.event_count,
        dead_letters=evidence.letter_count,
    )
    linked = {phone for first, second, _ in evidence.links for phone in (first, second)}
    histories: dict[tuple[str, str], History] = {}
    whatsapp_ids: dict[int, MessageLog] = {}  # whose message has the id
    for phone, logs in evidence.logs.items():
        traced = [_trace(evidence, log, terms, report) for log in logs.values()]
        answered = [history for history in traced if history.facts]
        _judge_limit(evidence, phone, answered, terms, report)
        if phone in linked:
            histories.update({(phone, history.log.id): history for history in traced})
        else:
            _judge_order(evidence, answered, report)
            for history in traced:
                _judge_thread(evidence, Thread([history]), terms, report, whatsapp_ids)
    for group in thread.join_linked(histories, evidence.links):
        _judge_thread(evidence, group, terms, report, whatsapp_ids)
    _judge_invalid_requests(evidence, terms, report)
    _judge_answers(evidence, report)
    judge_letters(evidence, terms, report)
    for _ in range(evidence.foreign_letter_count):
        report.leave_unjudged("dead letter: written by another program")
    for record in evidence.unreadable_records:
        detail = "the record is not what this topic holds"
        report.violations.append(
            Violation(kind="unreadable", detail=detail, id="", to=None, records=(record,))
        )
    return report


def _trace(evidence: Evidence, log: MessageLog, terms: Terms, report: Report) -> History:
    return trace(log, terms, partial(_report_events, evidence, log, report))


def _report_events(
    evidence: Evidence,
    log: MessageLog,
    report: Report,
    kind: str,
    detail: str,
    facts: Sequence[StatusFact],
) -> None:
    records = tuple(evidence.format_record(fact) for fact in facts)
    report.violations.append(
        Violation(kind=kind, detail=detail, id=log.id, to=log.phone, records=records)
    )


# -- one recipient


def _judge_limit(
    evidence: Evidence, phone: str, histories: list[History], terms: Terms, report: Report
) -> None:
    bursts, clock_steps = recipient.find_bursts(histories, terms.limit)
    for burst in bursts:
        detail = f"{len(burst.events)} in 60 s, {terms.limit} allowed"
        log = MessageLog(phone, burst.request_id)
        _report_events(evidence, log, report, "over_limit", detail, burst.events)
    for _ in range(clock_steps):
        report.leave_unjudged("limit: the broker's clock was set back")


def _judge_order(evidence: Evidence, histories: list[History], report: Report) -> None:
    for pair in recipient.find_overtaken(histories):
        first, second = pair.first, pair.second
        verb = "still waits" if pair.is_waiting else "was sent later"
        detail = f"{first.log.id} was accepted first and {verb}"
        facts = (first.accepted[0], *first.sent[:1], second.accepted[0], second.sent[0])
        _report_events(evidence, second.log, report, "out_of_order", detail, facts)


# -- one message


def _was_forgotten(evidence: Evidence, message: Thread) -> bool:
    """Whether its recipient was forgotten after it, and it was requested again since: its id was free again."""
    forgotten_s = evidence.forgotten.get(message.log.phone)
    if forgotten_s is None:
        return False
    is_older = any(fact.at_ms / 1000 < forgotten_s for fact in message.facts)
    return is_older and any(request.append_s > forgotten_s for request in message.requests)


def _judge_thread(
    evidence: Evidence,
    message: Thread,
    terms: Terms,
    report: Report,
    whatsapp_ids: dict[int, MessageLog],
) -> None:
    report.messages += 1
    if _was_forgotten(evidence, message):
        report.leave_unjudged("message: its recipient was forgotten between two requests")
        return
    add = partial(_report_events, evidence, message.log, report)
    if not message.facts:
        for request in message.requests:
            _judge_unanswered(evidence, message.log, request, terms, report)
        return
    _judge_beginning(evidence, message, terms, report)
    if (sent := message.find_sent_twice()) and terms.requests_from_s <= sent[0].at_ms / 1000:
        add("sent_twice", "nobody forced it", sent)
    if again := message.find_replayed_twice():
        if terms.requests_from_s <= message.facts[0].at_ms / 1000:
            add("replayed_twice", "accepted more often than dead letters were replayed", again)
        else:
            report.leave_unjudged("replay: its request was deleted")
    _judge_whatsapp_ids(evidence, message, report, whatsapp_ids)
    last = message.facts[-1]
    if last.status in ("accepted", "queued"):
        report.waiting.append(
            Waiting(
                id=message.log.id,
                to=message.log.phone,
                status=last.status,
                reason=last.reason,
                since_s=message.facts[0].at_ms / 1000,
                record=evidence.format_record(last),
            )
        )


def _judge_whatsapp_ids(
    evidence: Evidence, message: Thread, report: Report, owners: dict[int, MessageLog]
) -> None:
    """No other message has one of its ids. All attempts of a message by one account have the same id."""
    for digest in {fact.whatsapp_digest for fact in message.facts} - {0}:
        owner = owners.setdefault(digest, message.log)
        if owner is message.log:
            continue
        detail = f"{owner.id} to {owner.phone} has the same WhatsApp id"
        facts = [*unpack(owner.events), *message.facts]
        with_id = [fact for fact in facts if fact.whatsapp_digest == digest]
        _report_events(evidence, message.log, report, "whatsapp_id_reused", detail, with_id)


def _judge_beginning(evidence: Evidence, message: Thread, terms: Terms, report: Report) -> None:
    """Somebody requested it, and it was accepted before anything else was said of it."""
    first = message.facts[0]
    add = partial(_report_events, evidence, message.log, report)
    if not message.is_accepted:
        if terms.statuses_from_s:
            report.leave_unjudged("history: its beginning was deleted")
        else:
            add("not_accepted", f"{first.status} without accepted before it", (first,))
    if message.requests:
        return
    if terms.requests_from_s:
        report.leave_unjudged("answer: its request was deleted")
    elif first.at_ms / 1000 < terms.now_s:  # a later one was requested while the topics were read
        add("not_requested", "no record of the requests has this id and recipient", (first,))


def _judge_unanswered(
    evidence: Evidence, log: MessageLog, request: RequestFact, terms: Terms, report: Report
) -> None:
    """A valid request without any event of its message."""
    if request.coordinates not in evidence.answers:
        _report_unanswered(log.id, log.phone, request.append_s, request.coordinates, terms, report)


def _judge_invalid_requests(evidence: Evidence, terms: Terms, report: Report) -> None:
    unanswered = [
        (coordinates, request)
        for coordinates, request in evidence.invalid_requests.items()
        if coordinates not in evidence.answers
    ]
    if not unanswered:
        return
    ids = {request.id for _, request in unanswered}
    answered_ids = {log.id for log in evidence.iterate_logs() if log.id in ids and log.events}
    for coordinates, request in unanswered:
        if request.id in answered_ids:  # it was accepted: by other settings it was valid
            report.leave_unjudged("answer: the request is invalid by the present settings")
        else:
            _report_unanswered(request.id, request.to, request.append_s, coordinates, terms, report)


def _report_unanswered(
    id_: str, to: str | None, append_s: float, coordinates: str, terms: Terms, report: Report
) -> None:
    age_s = terms.now_s - append_s
    if append_s < terms.statuses_from_s:
        report.leave_unjudged("answer: the events of its time were deleted")
    elif age_s > terms.answer_timeout_s:
        detail = f"no event {age_s:.0f} s after the request"
        report.violations.append(
            Violation(kind="unanswered", detail=detail, id=id_, to=to, records=(coordinates,))
        )
    else:
        waiting = Waiting(
            id=id_, to=to, status=None, reason=None, since_s=append_s, record=coordinates
        )
        report.waiting.append(waiting)


def _judge_answers(evidence: Evidence, report: Report) -> None:
    """A record is rejected once, however often the event is repeated."""
    for answers in evidence.answers.values():
        first = answers[0]
        records = [answer.record for answer in answers if answer.digest != first.digest]
        if records:
            report.violations.append(
                Violation(
                    kind="event_id_reused",
                    detail="two different facts have one event id",
                    id=first.id,
                    to=first.to,
                    records=(first.record, *records),
                )
            )
