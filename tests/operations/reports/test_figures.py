"""The figures of a report, from values of `wa.status` as they are on the topic. Pure."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from streams.contract import status
from streams.contract.errors import ErrorInfo
from streams.domain.errors import CODES
from streams.operations.reports import figures
from streams.operations.reports.columns import REFUSAL_CODES, ColumnBuilder, Columns, merge
from streams.operations.reports.countries import CountryFinder
from streams.operations.reports.figures import Times
from streams.operations.reports.messages import Messages, build_messages

T0 = 1_795_510_800.0  # 2026-11-24T09:00:00Z
PHONE = "+60123456789"
HOUR_S = 3600.0


def event(id: str, kind: Any, after_s: float, *, to: str | None = PHONE, **fields: Any) -> bytes:
    """A status event, this long after the beginning of the window."""
    return status.encode(
        status.make(id=id, status=kind, event_id_suffix="1", at_s=T0 + after_s, to=to, **fields)
    )


def make_error(code: str) -> ErrorInfo:
    return ErrorInfo(code=code, class_="permanent", title="", detail="")


def life(id: str, at_s: float, *delays_s: float, **fields: Any) -> list[bytes]:
    """A message that was accepted at this time, and its next statuses after these delays."""
    events = [event(id, "accepted", at_s, **fields)]
    for kind, delay_s in zip(("sent", "delivered", "read"), delays_s, strict=False):
        at_s += delay_s
        events.append(event(id, kind, at_s, account="main", to=fields.get("to", PHONE)))
    return events


def collect(*values: bytes) -> Columns:
    builder = ColumnBuilder()
    builder.add(values)
    return builder.build()


def count(*values: bytes, until_s: float = HOUR_S) -> Messages:
    return build_messages(collect(*values), round(T0 * 1000), round((T0 + until_s) * 1000))


def test_a_funnel_counts_each_message_once() -> None:
    """A repeated event changes nothing, and a status that was left out is implied by a later one."""
    values = [*life("a", 1, 2, 3, 4), *life("b", 1, 4), *life("c", 1)]
    voice = [event("d", "accepted", 1), event("d", "played", 9, account="main")]
    total = figures.count_all(count(*values, *values, *voice))
    counts = (total.messages, total.accepted, total.sent, total.delivered, total.read)
    assert counts == (4, 4, 3, 2, 2)
    assert (total.failed, total.open) == (0, 1)
    assert total.accepted_to_sent == Times(2.0, 4.0)
    assert total.sent_to_delivered == Times(3.0, 3.0)
    assert total.delivered_to_read == Times(4.0, 4.0)


def test_the_window_is_that_of_the_acceptance() -> None:
    """What follows after its end counts; what was accepted before or after it does not."""
    inside = life("in", HOUR_S - 1, 500, 500)
    outside = [*life("before", -1, 2), *life("after", HOUR_S, 2)]
    total = figures.count_all(count(*inside, *outside))
    assert (total.messages, total.delivered) == (1, 1)


def test_an_empty_topic_has_no_figures() -> None:
    """Nothing is divided by nothing."""
    messages = build_messages(merge([]), 0, 1)
    assert figures.count_all(messages).messages == 0
    assert figures.count_failures(messages) == []
    assert [hour.sent for hour in figures.count_hours(messages, UTC)] == [0] * 24
    for dimension in ("account", "template", "batch", "hour", "country"):
        assert figures.count_by(messages, dimension, UTC) == []


def test_a_message_fails_with_its_last_code_unless_it_was_sent() -> None:
    """A replay that was sent is no failure, and a rejected request is one that was never accepted."""
    values = [
        *life("replayed", 1),
        event("replayed", "failed", 2, error=make_error("server_error")),
        *life("replayed", 3, 1),
        *life("failed", 1),
        event("failed", "failed", 2, error=make_error("media_rejected")),
        *life("late", 1),
        event("late", "unknown", 2, error=make_error("outcome_unknown")),
        event("late", "delivered", 9),
        *life("expired", 1),
        event("expired", "expired", 2),
        event("-", "rejected", 5, to=None, unreadable_to="x", error=make_error("invalid_phone")),
    ]
    messages = count(*values)
    total = figures.count_all(messages)
    assert (total.messages, total.accepted, total.sent, total.failed) == (5, 4, 2, 3)
    found = {(f.status, f.code): f.messages for f in figures.count_failures(messages)}
    assert found == {
        ("failed", "media_rejected"): 1, ("expired", ""): 1, ("rejected", "invalid_phone"): 1,
    }  # fmt: skip


@pytest.mark.parametrize("code", sorted(REFUSAL_CODES))
def test_a_refused_cancel_or_change_is_not_a_message(code: str) -> None:
    """It is answered under its own id, also if that is the id of a message."""
    assert code in CODES
    refusals = [
        event(id, "rejected", 5, error=make_error(code))
        for id in ("cancel-1", "a", "wa.cancel:0:7")
    ]
    messages = count(*life("a", 1, 2), *life("b", 1), *refusals)
    total = figures.count_all(messages)
    assert (total.messages, total.accepted, total.sent, total.failed) == (2, 2, 1, 0)
    assert figures.count_failures(messages) == []


def test_a_chat_with_another_number_is_the_same_message() -> None:
    """The requested number names it, in whichever partition its statuses are."""
    first = collect(event("a", "accepted", 1, to="+5521987654321"))
    second = collect(event("a", "sent", 2, to="+552187654321", requested_to="+5521987654321"))
    messages = build_messages(merge([second, first]), round(T0 * 1000), round(T0 * 1000) + 9999)
    assert (len(messages), int(messages.is_sent.sum())) == (1, 1)


def test_groups_have_their_own_figures() -> None:
    """By batch, template, account and country; what has none is a group, too."""
    values = [
        *life("a", 1, 1, batch_id="b-1", template="shipped/en"),
        *life("b", 1, 3, batch_id="b-1"),
        *life("c", 2, to="+905551112233"),
        *life("d", 2, to="120363000000000000@g.us"),
    ]
    messages = merge_and_count(values)
    groups = {
        dimension: {
            group.name: (group.figures.messages, group.figures.sent)
            for group in figures.count_by(messages, dimension, UTC)
        }
        for dimension in ("batch", "template", "account", "country")
    }
    assert groups == {
        "batch": {"b-1": (2, 2), "none": (2, 0)},
        "template": {"none": (3, 1), "shipped/en": (1, 1)},
        "account": {"main": (2, 2), "none": (2, 0)},
        "country": {"MY": (2, 2), "TR": (1, 0), "group": (1, 0)},
    }
    (batch, _) = figures.count_by(messages, "batch", UTC)
    assert batch.figures.accepted_to_sent == Times(1.0, 3.0)


def merge_and_count(values: list[bytes]) -> Messages:
    """As two processes read them: the texts have other numbers in each."""
    parts = [collect(*values[:3]), collect(*values[3:])]
    return build_messages(merge(parts), round(T0 * 1000), round((T0 + HOUR_S) * 1000))


def test_hours_are_those_of_the_time_zone() -> None:
    """09:00 UTC is 14:45 in Kathmandu. The best hour has the largest share of messages that were read."""
    values = [
        value for n in range(20) for value in life(f"a{n}", n, 1, 1, *([1] if n < 15 else []))
    ]
    values += [
        v for n in range(20) for v in life(f"b{n}", HOUR_S + n, 1, 1, *([1] if n < 5 else []))
    ]
    messages = count(*values, until_s=2 * HOUR_S)
    hours = figures.count_hours(messages, ZoneInfo("Asia/Kathmandu"))
    assert [(h.hour, h.sent, h.read, h.is_best) for h in hours if h.sent] == [
        (14, 20, 15, True), (15, 20, 5, True),
    ]  # fmt: skip
    groups = figures.count_by(messages, "hour", ZoneInfo("Asia/Kathmandu"))
    assert [group.name for group in groups] == ["14:00", "15:00"]
    assert hours[14].read_share == pytest.approx(0.75)


def test_what_is_not_a_status_event_is_left_out() -> None:
    """Another program's records, tombstones, and times of another form, which are read all the same."""
    odd = event("odd", "accepted", 1).replace(
        b"2026-11-24T09:00:01.000Z", b"2026-11-24T12:00:01+03:00"
    )
    wrong = event("wrong", "accepted", 1).replace(b"2026-11-24T09:00:01.000Z", b"yesterday")
    builder = ColumnBuilder()
    builder.add([b"{", None, b"[]", b'{"id":"x"}', odd, wrong, event("q", "queued", 1)])
    builder.add([b"\xff"])
    messages = build_messages(builder.build(), round(T0 * 1000), round(T0 * 1000) + 5000)
    assert len(messages) == 1


@pytest.mark.parametrize(
    ("recipient", "country"),
    [
        ("+60123456789", "MY"), ("+16135550123", "CA"), ("+12125550123", "US"), ("+77011234567", "KZ"),
        ("+79261234567", "RU"), ("+447781123456", "GG"), ("+447400123456", "GB"), ("+88299912345", "unknown"),
        ("1@g.us", "group"), (None, "unknown"), ("x", "unknown"), ("+999", "unknown"),
    ],
)  # fmt: skip
def test_a_number_has_a_country(recipient: str | None, country: str) -> None:
    """Also where several countries share a calling code; the second look finds the same."""
    finder = CountryFinder()
    assert [finder.find(recipient), finder.find(recipient)] == [country, country]
