"""The verdict: each problem is found, and no other is reported."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import msgspec
import orjson
import pytest

from streams.contract import status
from streams.contract.batch import BatchProgress
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo
from streams.contract.errors import ErrorInfo
from streams.contract.status import StatusEvent
from streams.contract.timestamps import format_rfc3339
from streams.demo.judge import Evidence, Finding, describe_audit, judge, max_in_window
from streams.demo.script import DemoRequest
from streams.operations.audit.facts import Report, Violation

A, B, C = "+60115550001", "+60115550002", "+60115550003"
LIMIT = 2


def make_request(id: str, to: str, **more: Any) -> DemoRequest:
    body = more.pop("body", f"text of {id}")
    value = orjson.dumps({"id": id, "to": to})
    return DemoRequest(id, to, value, kind="text", expected_text=body, **more)


REQUESTS = [
    make_request("a1", A),
    make_request("a2", A),
    make_request("a3", A),
    make_request("b1", B),
    replace(make_request("b2", B), kind="reaction", expected_text="👍"),
    make_request("bad", B, expected_status="rejected", code="schema_violation"),
    make_request("late", B, expected_status="failed", code="recipient_not_on_whatsapp"),
    make_request("soon", C, not_before_s=1e9 + 70),
    make_request("gone", C, expected_status="cancelled"),
]
BATCH = BatchProgress(
    batch_id="batch",
    total=1,
    accepted=1,
    sent=1,
    started_at=format_rfc3339(1e9),
    finished_at=format_rfc3339(1e9 + 71),
)


def row(id: str, to: str, at_s: float, *, shown: bool = True, **more: Any) -> dict[str, Any]:
    fields = {"type": "text", "body": f"text of {id}", "whatsapp_id": f"W-{id}"}
    return fields | {"to": to, "at": format_rfc3339(1e9 + at_s), "shown": shown} | more


def event(id: str, word: str, code: str | None = None, **more: Any) -> StatusEvent:
    error = ErrorInfo(code=code, class_="invalid", title="t") if code else None
    whatsapp_id = None if error else f"W-{id}"
    made = status.make(
        id=id,
        status=word,
        event_id_suffix="1",
        at_s=1e9,
        to=A,
        whatsapp_id=whatsapp_id,
        error=error,  # type: ignore[arg-type]
        **({"account": "north"} | more),
    )
    return made


def letter(of: DemoRequest) -> DeadLetter:
    about = DeadLetterInfo(
        id=f"wa.outbound:0:{of.id}",
        reason=of.code or "",
        error_class="invalid",
        message="m",
        attempts=0,
        first_failed_at=format_rfc3339(1e9),
        last_failed_at=format_rfc3339(1e9),
        topic="wa.outbound",
        partition=0,
        offset=1,
        timestamp=0,
        outcome="not_sent",
        request_id=of.id,
        replay_count=0,
    )
    return DeadLetter(info=about, value=of.value)


def good() -> Evidence:
    """The evidence of a run without a problem."""
    sent = ["a1", "a2", "a3", "b1", "late"]
    return Evidence(
        log=[
            row("a1", A, 0),
            row("a2", A, 1),
            row("b1", B, 2),
            row("x", B, 3, type="reaction", body="👍"),
            row("a2", A, 4, shown=False),  # the phone dropped a repeat of an id
            row("a3", A, 61),
            row("late", B, 62),
            row("soon", C, 71),
        ],
        events=[
            *(event(id, word) for id in sent for word in ("sent", "delivered")),
            event("b2", "sent"),
            event("soon", "sent", account="south", batch_id="batch"),
            event("soon", "delivered", account="south", batch_id="batch"),
            event("gone", "cancelled"),
            event("bad", "rejected", "schema_violation"),
            event("late", "failed", "recipient_not_on_whatsapp"),
        ],
        letters=[letter(request) for request in REQUESTS if request.code],
        replayed=["late"],
        batch=BATCH,
    )


def wrong_in(evidence: Evidence) -> set[str]:
    return {line.name for line in judge(REQUESTS, evidence, LIMIT) if line.problems}


def test_a_good_run_has_no_problem() -> None:
    """No finding has a problem."""
    assert wrong_in(good()) == set()


def without(evidence: Evidence, id: str) -> Evidence:
    return replace(evidence, log=[row for row in evidence.log if row["body"] != f"text of {id}"])


SPOILED: dict[str, tuple[Callable[[Evidence], Evidence], set[str]]] = {
    "lost": (lambda e: without(e, "b1"), {"sent", "lost"}),
    "duplicates": (lambda e: replace(e, log=[*e.log, row("b1", B, 200)]), {"duplicates", "order"}),
    "stray": (lambda e: replace(e, log=[*e.log, row("z", B, 200)]), {"unexpected"}),
    "other text": (
        lambda e: replace(
            e,
            log=[row | {"body": "?"} if row["body"] == "text of b1" else row for row in e.log],
        ),
        {"content"},
    ),
    "another phone": (
        lambda e: replace(
            e, log=[row | {"to": B} if row["body"] == "text of a3" else row for row in e.log]
        ),
        {"content", "limit", "order"},
    ),
    "over the limit": (
        lambda e: replace(
            e,
            log=[
                row | {"at": format_rfc3339(1e9 + 59)} if row["body"] == "text of a3" else row
                for row in e.log
            ],
        ),
        {"limit"},
    ),
    "out of order": (
        lambda e: replace(e, log=[e.log[1], e.log[0], *e.log[2:]]),
        {"order"},
    ),
    "never delivered": (
        lambda e: replace(
            e, events=[x for x in e.events if (x.id, x.status) != ("b1", "delivered")]
        ),
        {"sent"},
    ),
    "no answer": (
        lambda e: replace(e, events=[x for x in e.events if x.id != "bad"]),
        {"refused"},
    ),
    "another word": (
        lambda e: replace(
            e,
            events=[
                event("bad", "rejected", "invalid_phone") if x.id == "bad" else x for x in e.events
            ],
        ),
        {"refused"},
    ),
    "no dead letter": (lambda e: replace(e, letters=e.letters[1:]), {"dead letters"}),
    "other bytes": (
        lambda e: replace(
            e, letters=[DeadLetter(info=e.letters[0].info, value=b"?"), e.letters[1]]
        ),
        {"dead letters"},
    ),
    "not replayed": (lambda e: replace(e, replayed=[]), {"replayed"}),
    "too early": (
        lambda e: replace(e, log=[row("soon", C, 69) if r["to"] == C else r for r in e.log]),
        {"times"},
    ),
    "cancelled and sent": (
        lambda e: replace(
            e,
            log=[*e.log, row("gone", C, 72)],
            events=[*e.events, event("gone", "sent"), event("gone", "delivered")],
        ),
        {"times"},
    ),
    "no progress": (lambda e: replace(e, batch=None), {"batch"}),
    "unfinished": (
        lambda e: replace(e, batch=msgspec.structs.replace(BATCH, finished_at=None)),
        {"batch"},
    ),
    "wrong progress": (
        lambda e: replace(e, batch=msgspec.structs.replace(BATCH, sent=2, total=2)),
        {"batch"},
    ),
    "one account": (
        lambda e: replace(
            e, events=[msgspec.structs.replace(x, account="north") for x in e.events]
        ),
        {"accounts"},
    ),
    "replay lost": (lambda e: without(e, "late"), {"sent", "lost", "replayed"}),
}


@pytest.mark.parametrize("name", SPOILED)
def test_each_problem_is_found(name: str) -> None:
    """It is reported in its own finding and in those that it also affects, and in no other."""
    spoil, expected = SPOILED[name]
    assert wrong_in(spoil(good())) == expected


def test_a_violation_of_the_audit_is_a_problem() -> None:
    """The second judge has one line, and names the records of each violation."""
    report = Report(requests=62)
    assert describe_audit(report) == Finding("audit", "62 requests, 0 violations")
    violation = Violation(kind="sent_twice", detail="", id="a1", to=A, records=("wa.status:0:7",))
    report.violations.append(violation)
    assert describe_audit(report).problems == ("sent_twice: a1 wa.status:0:7",)


@pytest.mark.parametrize(
    ("times", "expected"),
    [([], 0), ([5.0], 1), ([0.0, 59.999], 2), ([0.0, 60.0], 1), ([0, 30, 61, 62, 89, 90], 4)],
)
def test_a_window_is_open_at_one_end(times: list[float], expected: int) -> None:
    """Two messages exactly a minute apart are not in the same minute."""
    assert max_in_window(times) == expected
