"""The rules about dead letters: each final failure has one, and each one belongs to a failure. Pure.

A dead letter has the coordinates of the record that requested its message. A rejected record is named by its event, so
the two match exactly. A failed message is matched by its request id and by the records that requested it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable

from streams.operations.audit.evidence import Evidence
from streams.operations.audit.facts import (
    LetterFact,
    MessageLog,
    Report,
    StatusFact,
    Terms,
    Violation,
    unpack,
)
from streams.operations.audit.history import FAILURE_STATUSES


def judge_letters(evidence: Evidence, terms: Terms, report: Report) -> None:
    """Match dead letters and failures."""
    _judge_answers(evidence, terms, report)
    by_request: defaultdict[str, dict[str, LetterFact]] = defaultdict(dict)
    for letter in evidence.letters.values():
        if letter.id not in evidence.answers:
            by_request[letter.request_id][letter.id] = letter
    failed: defaultdict[str, list[MessageLog]] = defaultdict(list)
    for log in evidence.iterate_logs():
        if log.id in by_request or _find_failures(log):
            failed[log.id].append(log)
    for request_id in failed.keys() | by_request.keys():
        letters = by_request.get(request_id, {})
        _judge_request(evidence, failed[request_id], letters, terms, report)


def _find_failures(log: MessageLog) -> list[StatusFact]:
    """Each final failure once, but those of an id that began again count apart."""
    failures = {fact.digest: fact for fact in unpack(log.events) if fact.status in FAILURE_STATUSES}
    return list(failures.values())


def _judge_answers(evidence: Evidence, terms: Terms, report: Report) -> None:
    for coordinates, answers in evidence.answers.items():
        answer = answers[0]
        if coordinates in evidence.letters:
            continue
        if answer.at_s < terms.letters_from_s:
            report.leave_unjudged("dead letter: those of its time were deleted")
        elif answer.at_s < terms.now_s - terms.answer_timeout_s:
            _add(report, "dead_letter_missing", answer.id, answer.to, [answer.record, coordinates])


def _judge_request(
    evidence: Evidence,
    logs: list[MessageLog],
    letters: dict[str, LetterFact],
    terms: Terms,
    report: Report,
) -> None:
    """All messages with one request id: it may have been sent to several recipients."""
    remaining = dict(letters)
    failures = {log.phone: _find_failures(log) for log in logs}
    for log in logs:
        own = [r.coordinates for r in log.requests if r.coordinates in remaining]
        matched = [remaining.pop(name) for name in own[: len(failures[log.phone])]]
        _remove_matched(failures[log.phone], matched)
    # What is left belongs to a message that was requested under another number, or whose request was deleted.
    left = [(log, fact) for log in logs for fact in failures[log.phone]]
    unmatched = list(remaining.values())
    for log, fact in left:
        letter = next((letter for letter in unmatched if letter.outcome == _outcome(fact)), None)
        if letter is not None:
            unmatched.remove(letter)
        else:
            _report_missing(evidence, log, fact, terms, report)
    for letter in unmatched:
        _report_unexplained(letter, logs, terms, report)


def _remove_matched(failures: list[StatusFact], letters: Iterable[LetterFact]) -> None:
    """Take the failures away that these letters are of."""
    outcomes = Counter(letter.outcome for letter in letters)
    for fact in list(failures):
        if outcomes[_outcome(fact)]:
            outcomes[_outcome(fact)] -= 1
            failures.remove(fact)


def _outcome(fact: StatusFact) -> str:
    return "unknown" if fact.status == "unknown" else "not_sent"


def _report_missing(
    evidence: Evidence, log: MessageLog, fact: StatusFact, terms: Terms, report: Report
) -> None:
    at_s = fact.at_ms / 1000
    if at_s < terms.letters_from_s:
        report.leave_unjudged("dead letter: those of its time were deleted")
    elif at_s < terms.now_s - terms.answer_timeout_s:
        records = [evidence.format_record(fact)]
        _add(report, "dead_letter_missing", log.id, log.phone, records)


def _report_unexplained(
    letter: LetterFact, logs: list[MessageLog], terms: Terms, report: Report
) -> None:
    if letter.failed_s < terms.statuses_from_s:
        report.leave_unjudged("dead letter: the events of its time were deleted")
    elif letter.failed_s < terms.now_s - terms.answer_timeout_s:
        to = logs[0].phone if len(logs) == 1 else None
        _add(report, "dead_letter_unexplained", letter.request_id, to, [letter.record, letter.id])


def _add(report: Report, kind: str, id_: str, to: str | None, records: list[str]) -> None:
    detail = {
        "dead_letter_missing": "the failure has no dead letter with its outcome",
        "dead_letter_unexplained": "no event says that this request failed with this outcome",
    }[kind]
    report.violations.append(
        Violation(kind=kind, detail=detail, id=id_, to=to, records=tuple(records))
    )
