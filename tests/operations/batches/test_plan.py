"""The ids of a batch follow from recipient and content, so that nothing is sent twice."""

from typing import Any

import pytest

from streams.operations.batches.plan import Plan, plan_batch
from streams.operations.batches.rows import Row

ADA, BOB = "+60123456789", "+60123456780"


def plan(*requests: dict[str, Any], campaign: str = "", name: str = "spring") -> Plan:
    rows = [Row(number, request) for number, request in enumerate(requests, 2)]
    return plan_batch(name, rows, campaign, lambda _: None)


def ids(found: Plan) -> list[str]:
    return [request["id"] for request in found.requests]


def test_the_same_rows_are_the_same_batch() -> None:
    """Whenever they are read."""
    rows = {"to": ADA, "text": "x"}, {"to": BOB, "text": "x"}
    assert plan(*rows) == plan(*rows)
    assert len(set(ids(plan(*rows)))) == 2
    assert plan(*rows).batch_id.startswith("spring-")


@pytest.mark.parametrize(
    "other",
    [
        {"to": "+60 12-345 6789", "text": "x"},
        {"text": "x", "to": ADA},
        {"to": ADA, "text": "x", "priority": "bulk", "send_at": "2030-01-01T00:00:00Z"},
    ],
)
def test_a_row_keeps_its_id(other: dict[str, Any]) -> None:
    """However its number is written, whenever it is due, wherever it is in the file, whatever the file is called."""
    ada, bob = {"to": ADA, "text": "x"}, {"to": BOB, "text": "x"}
    (_, first) = ids(plan(bob, ada))
    assert ids(plan(other, name="copy")) == [first]


@pytest.mark.parametrize("other", [{"to": ADA, "text": "y"}, {"to": BOB, "text": "x"}])
def test_another_message_has_another_id(other: dict[str, Any]) -> None:
    """Another recipient, or another text."""
    assert ids(plan(other)) != ids(plan({"to": ADA, "text": "x"}))


def test_a_campaign_sends_again() -> None:
    """The same rows under another name are other messages, and another batch."""
    row = {"to": ADA, "text": "x"}
    first, second = plan(row), plan(row, campaign="May 2026")
    assert ids(first) != ids(second)
    assert second.batch_id.startswith("May-2026-")


def test_own_ids_are_kept() -> None:
    """A row's `id` is the caller's."""
    assert ids(plan({"to": ADA, "text": "x", "id": "o-1"})) == ["o-1"]


def test_repeated_rows_are_one_message() -> None:
    """The first one counts."""
    found = plan({"to": ADA, "text": "x"}, {"to": BOB, "text": "x"}, {"to": ADA, "text": "x"})
    assert (len(found.requests), found.repeated) == (2, 1)


def test_what_is_not_valid_is_listed() -> None:
    """With its line, and nothing of it is sent."""
    found = plan(
        {"to": ADA, "text": "x", "ttl_s": -1}, {"to": ADA, "txt": "x"}, {"to": ADA, "text": "x"}
    )
    assert len(found.requests) == 1
    assert [row.line for row in found.invalid] == [2, 3]
    assert found.invalid[0].problem.startswith("ttl_s: ")
    assert "did you mean 'text'" in found.invalid[1].problem


def test_a_check_of_the_callers() -> None:
    """For example whether its template exists."""
    rows = [Row(2, {"to": ADA, "text": "x"})]
    found = plan_batch("spring", rows, "", lambda request: f"no {request['text']}")
    assert [(row.line, row.problem) for row in found.invalid] == [(2, "no x")]
    assert found.requests == []
