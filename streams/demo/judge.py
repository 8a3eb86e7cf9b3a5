"""The verdict on a demo: what was asked for, held against what the phones and the topics say. Pure.

Nothing that was merely intended counts: what arrived is the sandbox's log, what was promised is
`wa.status` and `wa.dlq`, and every sentence of the verdict is about the two agreeing.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from streams.contract.dead_letter import DeadLetter
from streams.contract.status import StatusEvent
from streams.demo.script import Asked

_WINDOW_S = 60.0
_SENT = "sent"
Row = Mapping[str, Any]  # a message in the sandbox's log


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was found: the sandbox's log, the status events and the dead letters, each in order."""

    log: Sequence[Row]
    events: Sequence[StatusEvent]
    letters: Sequence[DeadLetter]
    replayed: Sequence[str]  # ids of requests that were replayed


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence of the verdict; `wrong` says what disagrees, and is empty when all is well."""

    name: str
    said: str
    wrong: tuple[str, ...] = ()


def judge(asked: Sequence[Asked], found: Evidence, limit: int) -> list[Line]:
    """Every sentence, the good and the bad ones."""
    whose = _whose(asked, found)
    shown = [row for row in found.log if row["shown"]]
    return [
        _delivered(asked, found, shown, whose),
        _twice(shown, whose),
        _lost(asked, shown, whose, found.replayed),
        _strays(shown, whose),
        _texts(asked, shown, whose),
        _limit(shown, limit),
        _order(asked, shown, whose),
        _rejected(asked, found),
        _letters(asked, found),
        _replayed(shown, whose, found),
    ]


def most_in_window(times: Iterable[float], window_s: float = _WINDOW_S) -> int:
    """The most of these times that lie in any window of this length, open at one end."""
    moments = sorted(times)
    most = first = 0
    for last, moment in enumerate(moments):
        while moment - moments[first] >= window_s:
            first += 1
        most = max(most, last - first + 1)
    return most


def _whose(asked: Sequence[Asked], found: Evidence) -> dict[str, str]:
    """The request of each WhatsApp id, as `wa.status` told it.

    A reaction is the one kind whose id WhatsApp Web chooses by itself: it is known by what it says.
    """
    known = {each.whatsapp_id: each.id for each in found.events if each.whatsapp_id}
    reactions = {(each.to, each.expects): each.id for each in asked if each.kind == "reaction"}
    for row in found.log:
        if row["type"] == "reaction" and (row["to"], row["body"]) in reactions:
            known[row["whatsapp_id"]] = reactions[row["to"], row["body"]]
    return known


def _with(events: Iterable[StatusEvent], status: str) -> set[str]:
    return {each.id for each in events if each.status == status}


def _delivered(
    asked: Sequence[Asked], found: Evidence, shown: Sequence[Row], whose: Mapping[str, str]
) -> Line:
    sent, delivered = _with(found.events, _SENT), _with(found.events, "delivered")
    on_phones = {whose[row["whatsapp_id"]] for row in shown if row["whatsapp_id"] in whose}
    reactions = {each.id for each in asked if each.kind == "reaction"}  # see `_whose`
    wrong = [f"{each}: said to be sent, on no phone" for each in sorted(sent - on_phones)]
    wrong += [f"{each}: on a phone, never said to be sent" for each in sorted(on_phones - sent)]
    wrong += [f"{each}: never delivered" for each in sorted(sent - delivered - reactions)]
    said = f"{len(sent)} said to be sent, {len(on_phones)} on phones, {len(delivered)} delivered"
    return Line("sent", f"{len({each.id for each in asked})} asked for, {said}", tuple(wrong))


def _twice(shown: Sequence[Row], whose: Mapping[str, str]) -> Line:
    counts = Counter((row["to"], _name(row, whose)) for row in shown)
    wrong = [f"{id}: {count} times on {to}" for (to, id), count in counts.items() if count > 1]
    return Line("twice", f"{len(wrong)} shown twice", tuple(wrong))


def _lost(
    asked: Sequence[Asked], shown: Sequence[Row], whose: Mapping[str, str], replayed: Sequence[str]
) -> Line:
    due = {each.id for each in asked if each.ends == _SENT or each.id in replayed}
    missing = sorted(due - {_name(row, whose) for row in shown})
    return Line("lost", f"{len(missing)} lost", tuple(f"{id}: on no phone" for id in missing))


def _strays(shown: Sequence[Row], whose: Mapping[str, str]) -> Line:
    strays = [row for row in shown if row["whatsapp_id"] not in whose]
    wrong = tuple(f"{row['whatsapp_id']} to {row['to']}: no status knows it" for row in strays)
    return Line("strays", f"{len(strays)} that nobody asked for", wrong)


def _texts(asked: Sequence[Asked], shown: Sequence[Row], whose: Mapping[str, str]) -> Line:
    """What stands on the phone is what was written, on the phone it was written to."""
    expected = {each.id: each for each in asked}
    wrong: list[str] = []
    for row in shown:
        ask = expected.get(_name(row, whose))
        if ask is not None and row["to"] != ask.to:
            wrong.append(f"{ask.id}: went to {row['to']}, not to {ask.to}")
        if ask is not None and ask.expects and row["body"] != ask.expects:
            wrong.append(f"{ask.id}: the phone shows {row['body']!r}")
    return Line("content", f"{len(shown)} messages compared", tuple(wrong))


def _limit(shown: Sequence[Row], limit: int) -> Line:
    times: defaultdict[str, list[float]] = defaultdict(list)
    for row in shown:
        times[row["to"]].append(datetime.fromisoformat(row["at"]).timestamp())
    most = {phone: most_in_window(each) for phone, each in times.items()}
    wrong = tuple(f"{phone}: {n} in 60 s" for phone, n in most.items() if n > limit)
    highest = max(most.values(), default=0)
    return Line("limit", f"at most {highest} to one phone in any 60 s, {limit} allowed", wrong)


def _order(asked: Sequence[Asked], shown: Sequence[Row], whose: Mapping[str, str]) -> Line:
    place = {each.id: number for number, each in reversed(list(enumerate(asked)))}
    wrong: list[str] = []
    last: dict[str, str] = {}
    for row in shown:
        id, before = _name(row, whose), last.get(row["to"])
        if before in place and id in place and place[before] > place[id]:
            wrong.append(f"{row['to']}: {before} came before {id}")
        last[row["to"]] = id
    return Line("order", f"of {len(last)} phones", tuple(wrong))


def _rejected(asked: Sequence[Asked], found: Evidence) -> Line:
    """Each bad request has its one answer, with the right word. A record without an id is found by it."""
    errors = {each.id: each.error for each in found.events if each.status in ("rejected", "failed")}
    expected = Counter(each.code for each in asked if each.code)
    answered = Counter(error.code for error in errors.values() if error is not None)
    wrong = [
        f"{code}: {answered[code]} answered, {expected[code]} expected"
        for code in sorted(expected | answered, key=str)
        if answered[code] != expected[code]
    ]
    for each in asked:
        error = errors.get(each.id)
        if each.id and each.code and (error is None or error.code != each.code):
            wrong.append(f"{each.id}: {error.code if error else 'no answer'}, not {each.code}")
    return Line("refused", ", ".join(f"{n} {code}" for code, n in answered.items()), tuple(wrong))


def _letters(asked: Sequence[Asked], found: Evidence) -> Line:
    """Each refused or failed record is a dead letter, byte for byte."""
    expected = Counter(each.value for each in asked if each.code)
    there = Counter(bytes(letter.value or b"") for letter in found.letters)
    wrong = [f"no dead letter of {_short(value)}" for value in expected - there]
    wrong += [f"a dead letter nobody expects: {_short(value)}" for value in there - expected]
    return Line("dead letters", f"{there.total()} with the original bytes", tuple(wrong))


def _replayed(shown: Sequence[Row], whose: Mapping[str, str], found: Evidence) -> Line:
    times = Counter(_name(row, whose) for row in shown)
    wrong = [f"{id}: {times[id]} times" for id in found.replayed if times[id] != 1]
    if not found.replayed:
        wrong = ["no dead letter was replayed"]
    said = f"{len(found.replayed)} dead letter asked for again, and sent"
    return Line("replayed", said, tuple(wrong))


def _name(row: Row, whose: Mapping[str, str]) -> str:
    return whose.get(row["whatsapp_id"], row["whatsapp_id"])


def _short(value: bytes) -> str:
    text = value.decode(errors="replace")
    return text if len(text) <= 60 else text[:59] + "…"
