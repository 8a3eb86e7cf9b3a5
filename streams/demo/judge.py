"""The verdict on a demo: the requests, compared with the sandbox's log and with the topics. Pure.

The sandbox's log says what arrived on the phones. `wa.status` and `wa.dlq` say what the service claims.
Each finding of the verdict is one way in which these must agree.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streams.contract.batch import BatchProgress
from streams.contract.dead_letter import DeadLetter
from streams.contract.status import StatusEvent
from streams.demo.script import DemoRequest
from streams.operations.audit.facts import Report

_WINDOW_S = 60.0
_SENT = "sent"
LoggedMessage = Mapping[str, Any]  # a message in the sandbox's log


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is judged: the sandbox's log, the status events and the dead letters, each in order."""

    log: Sequence[LoggedMessage]
    events: Sequence[StatusEvent]
    letters: Sequence[DeadLetter]
    replayed: Sequence[str]  # ids of requests that were replayed
    batch: BatchProgress | None = None  # the last progress of the campaign


@dataclass(frozen=True, slots=True)
class Finding:
    """One part of the verdict. `problems` lists what does not agree; without problems it is fine."""

    name: str
    summary: str
    problems: tuple[str, ...] = ()


def judge(requests: Sequence[DemoRequest], evidence: Evidence, limit: int) -> list[Finding]:
    """Every finding, with and without problems."""
    request_ids = _map_request_ids(requests, evidence)
    shown = [row for row in evidence.log if row["shown"]]
    return [
        _check_sent(requests, evidence, shown, request_ids),
        _check_duplicates(shown, request_ids),
        _check_lost(requests, shown, request_ids, evidence.replayed),
        _check_unexpected(shown, request_ids),
        _check_content(requests, shown, request_ids),
        _check_rate_limit(shown, limit),
        _check_order(requests, shown, request_ids),
        _check_refused(requests, evidence),
        _check_dead_letters(requests, evidence),
        _check_replayed(shown, request_ids, evidence),
        _check_times(requests, shown, request_ids),
        _check_batch(evidence),
        _check_accounts(evidence),
    ]


def describe_audit(report: Report) -> Finding:
    """The second judge, which reads the topics alone: its verdict as a finding."""
    violations = report.violations
    problems = tuple(f"{item.kind}: {item.id} {' '.join(item.records)}" for item in violations)
    summary = f"{report.requests} requests, {len(violations)} violations"
    return Finding("audit", summary, problems)


def max_in_window(times: Iterable[float], window_s: float = _WINDOW_S) -> int:
    """The largest number of these times within any window of this length, open at one end."""
    sorted_times = sorted(times)
    highest = first = 0
    for last, time in enumerate(sorted_times):
        while time - sorted_times[first] >= window_s:
            first += 1
        highest = max(highest, last - first + 1)
    return highest


def _map_request_ids(requests: Sequence[DemoRequest], evidence: Evidence) -> dict[str, str]:
    """The request id of each WhatsApp id, according to `wa.status`.

    WhatsApp Web chooses the id of a reaction itself: a reaction is recognized by its emoji.
    """
    request_ids = {event.whatsapp_id: event.id for event in evidence.events if event.whatsapp_id}
    reactions = {
        (request.to, request.expected_text): request.id
        for request in requests
        if request.kind == "reaction"
    }
    for row in evidence.log:
        if row["type"] == "reaction" and (row["to"], row["body"]) in reactions:
            request_ids[row["whatsapp_id"]] = reactions[row["to"], row["body"]]
    return request_ids


def _ids_with_status(events: Iterable[StatusEvent], status: str) -> set[str]:
    return {event.id for event in events if event.status == status}


def _check_sent(
    requests: Sequence[DemoRequest],
    evidence: Evidence,
    shown: Sequence[LoggedMessage],
    request_ids: Mapping[str, str],
) -> Finding:
    sent = _ids_with_status(evidence.events, _SENT)
    delivered = _ids_with_status(evidence.events, "delivered")
    on_phones = {
        request_ids[row["whatsapp_id"]] for row in shown if row["whatsapp_id"] in request_ids
    }
    # The receipts of a reaction cannot be recognized: see `_map_request_ids`.
    reactions = {request.id for request in requests if request.kind == "reaction"}
    problems = [f"{id}: reported as sent, but on no phone" for id in sorted(sent - on_phones)]
    problems += [f"{id}: on a phone, but never reported as sent" for id in sorted(on_phones - sent)]
    problems += [f"{id}: never delivered" for id in sorted(sent - delivered - reactions)]
    summary = (
        f"{len({request.id for request in requests})} requested, {len(sent)} reported as sent, "
        f"{len(on_phones)} on phones, {len(delivered)} delivered"
    )
    return Finding("sent", summary, tuple(problems))


def _check_duplicates(shown: Sequence[LoggedMessage], request_ids: Mapping[str, str]) -> Finding:
    counts = Counter((row["to"], _request_id_of(row, request_ids)) for row in shown)
    problems = [f"{id}: {count} times on {to}" for (to, id), count in counts.items() if count > 1]
    return Finding("duplicates", f"{len(problems)} shown twice", tuple(problems))


def _check_lost(
    requests: Sequence[DemoRequest],
    shown: Sequence[LoggedMessage],
    request_ids: Mapping[str, str],
    replayed_ids: Sequence[str],
) -> Finding:
    expected_ids = {
        request.id
        for request in requests
        if request.expected_status == _SENT or request.id in replayed_ids
    }
    missing = sorted(expected_ids - {_request_id_of(row, request_ids) for row in shown})
    return Finding("lost", f"{len(missing)} lost", tuple(f"{id}: on no phone" for id in missing))


def _check_unexpected(shown: Sequence[LoggedMessage], request_ids: Mapping[str, str]) -> Finding:
    unexpected = [row for row in shown if row["whatsapp_id"] not in request_ids]
    problems = tuple(
        f"{row['whatsapp_id']} to {row['to']}: no status event has this id" for row in unexpected
    )
    return Finding("unexpected", f"{len(unexpected)} that nobody requested", problems)


def _check_content(
    requests: Sequence[DemoRequest], shown: Sequence[LoggedMessage], request_ids: Mapping[str, str]
) -> Finding:
    """The phone shows the text of the request, and it is the right phone."""
    expected = {request.id: request for request in requests}
    problems: list[str] = []
    for row in shown:
        request = expected.get(_request_id_of(row, request_ids))
        if request is not None and row["to"] != request.to:
            problems.append(f"{request.id}: went to {row['to']}, not to {request.to}")
        if request is not None and request.expected_text and row["body"] != request.expected_text:
            problems.append(f"{request.id}: the phone shows {row['body']!r}")
    return Finding("content", f"{len(shown)} messages compared", tuple(problems))


def _check_rate_limit(shown: Sequence[LoggedMessage], limit: int) -> Finding:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for row in shown:
        times[row["to"]].append(datetime.fromisoformat(row["at"]).timestamp())
    counts = {phone: max_in_window(times_shown) for phone, times_shown in times.items()}
    problems = tuple(f"{phone}: {n} in 60 s" for phone, n in counts.items() if n > limit)
    highest = max(counts.values(), default=0)
    return Finding(
        "limit", f"at most {highest} to one phone in any 60 s, {limit} allowed", problems
    )


def _check_order(
    requests: Sequence[DemoRequest], shown: Sequence[LoggedMessage], request_ids: Mapping[str, str]
) -> Finding:
    position = {request.id: number for number, request in reversed(list(enumerate(requests)))}
    problems: list[str] = []
    last: dict[str, str] = {}
    for row in shown:
        id, before = _request_id_of(row, request_ids), last.get(row["to"])
        if before in position and id in position and position[before] > position[id]:
            problems.append(f"{row['to']}: {before} came before {id}")
        last[row["to"]] = id
    return Finding("order", f"of {len(last)} phones", tuple(problems))


def _check_refused(requests: Sequence[DemoRequest], evidence: Evidence) -> Finding:
    """Each invalid request has one status event with the expected code.

    A record that cannot be parsed has no id: it is only counted, by its code.
    """
    errors = {
        event.id: event.error for event in evidence.events if event.status in ("rejected", "failed")
    }
    expected = Counter(request.code for request in requests if request.code)
    actual = Counter(error.code for error in errors.values() if error is not None)
    problems = [
        f"{code}: {actual[code]} times, {expected[code]} expected"
        for code in sorted(expected | actual, key=str)
        if actual[code] != expected[code]
    ]
    for request in requests:
        error = errors.get(request.id)
        if request.id and request.code and (error is None or error.code != request.code):
            problems.append(
                f"{request.id}: {error.code if error else 'no status event'}, not {request.code}"
            )
    return Finding(
        "refused", ", ".join(f"{n} {code}" for code, n in actual.items()), tuple(problems)
    )


def _check_dead_letters(requests: Sequence[DemoRequest], evidence: Evidence) -> Finding:
    """Each rejected or failed request is a dead letter with the bytes of the request."""
    expected = Counter(request.value for request in requests if request.code)
    actual = Counter(bytes(letter.value or b"") for letter in evidence.letters)
    problems = [f"no dead letter for {_shorten(value)}" for value in expected - actual]
    problems += [f"an unexpected dead letter: {_shorten(value)}" for value in actual - expected]
    return Finding("dead letters", f"{actual.total()} with the original bytes", tuple(problems))


def _check_replayed(
    shown: Sequence[LoggedMessage], request_ids: Mapping[str, str], evidence: Evidence
) -> Finding:
    times = Counter(_request_id_of(row, request_ids) for row in shown)
    problems = [f"{id}: {times[id]} times" for id in evidence.replayed if times[id] != 1]
    if not evidence.replayed:
        problems = ["no dead letter was replayed"]
    summary = f"{len(evidence.replayed)} dead letter replayed and sent"
    return Finding("replayed", summary, tuple(problems))


def _check_times(
    requests: Sequence[DemoRequest], shown: Sequence[LoggedMessage], request_ids: Mapping[str, str]
) -> Finding:
    """A scheduled message does not come before its time, and a cancelled one not at all."""
    expected = {request.id: request for request in requests}
    arrived_s = {
        _request_id_of(row, request_ids): datetime.fromisoformat(row["at"]).timestamp()
        for row in shown
    }
    scheduled = [request for request in requests if request.not_before_s]
    cancelled = [request for request in requests if request.expected_status == "cancelled"]
    problems = [
        f"{id}: {expected[id].not_before_s - at_s:.1f} s too early"
        for id, at_s in arrived_s.items()
        if id in expected and at_s < expected[id].not_before_s
    ]
    problems += [
        f"{request.id}: sent, though cancelled" for request in cancelled if request.id in arrived_s
    ]
    return Finding(
        "times", f"{len(scheduled)} scheduled, {len(cancelled)} cancelled", tuple(problems)
    )


def _check_batch(evidence: Evidence) -> Finding:
    """`wa.batches` says what `wa.status` says."""
    if evidence.batch is None:
        return Finding("batch", "no progress", ("wa.batches has no record of the campaign",))
    batch = evidence.batch
    sent = {e.id for e in evidence.events if e.batch_id == batch.batch_id and e.status == _SENT}
    problems = (
        [f"sent {batch.sent}, but {len(sent)} by wa.status"] if len(sent) != batch.sent else []
    )
    if batch.finished_at is None or batch.sent != batch.total:
        problems.append(f"sent {batch.sent} of {batch.total}, finished_at {batch.finished_at}")
    return Finding("batch", f"{batch.sent} of {batch.total} sent", tuple(problems))


def _check_accounts(evidence: Evidence) -> Finding:
    """More than one account has sent; which one does, is decided for each new conversation."""
    counts = Counter(event.account for event in evidence.events if event.status == _SENT)
    problems = () if len(counts) > 1 else ("one account has sent everything",)
    summary = ", ".join(f"{n} by {account}" for account, n in sorted(counts.items(), key=str))
    return Finding("accounts", summary, problems)


def _request_id_of(row: LoggedMessage, request_ids: Mapping[str, str]) -> str:
    return request_ids.get(row["whatsapp_id"], row["whatsapp_id"])


def _shorten(value: bytes) -> str:
    text = value.decode(errors="replace")
    return text if len(text) <= 60 else text[:59] + "…"
