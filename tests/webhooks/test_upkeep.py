"""What the file of the webhooks keeps for seven days: events that were given up, and a damaged file."""

from functools import partial
from pathlib import Path

from streams.domain.webhooks.conclusion import Conclusion, EndpointHealth
from streams.webhooks import commands
from streams.webhooks.payload import Event
from streams.webhooks.store import Store, StoredEvent, get_path
from streams.webhooks.upkeep import get_damaged_path, open_store

A_DAY_S = 86_400.0
NOW_S = 1_800_000_000.0


def give_up(store: Store, now_s: float) -> None:
    """One event of the endpoint a is given up now."""
    event = StoredEvent("status", 0, 0, Event("msg_1", "wa.message.sent", "+1", b"a text"))
    (waiting,) = store.add("a", [event], "id", {}, now_s)
    conclusion = Conclusion(fate="given_up", health=EndpointHealth())
    store.conclude("a", waiting.number, conclusion, "status 422", 0, now_s)


def count_given_up(store: Store, now_s: float) -> tuple[int, int]:
    """As the commands show them: the list, and the number in the report."""
    listed = store.run_command(partial(commands.list_given_up, now_s=now_s))
    report = store.run_command(partial(commands.report, name="a", now_s=now_s))
    return len(listed), report.given_up


def test_events_that_were_given_up_are_kept_for_seven_days(tmp_path: Path) -> None:
    """Nothing shows or sends an older one, and the next opening removes it, though no other event was given up."""
    path = get_path(tmp_path)
    store = open_store(path, NOW_S)
    give_up(store, NOW_S)
    later_s = NOW_S + 7 * A_DAY_S + 1
    assert count_given_up(store, NOW_S + 7 * A_DAY_S) == (1, 1)
    assert count_given_up(store, later_s) == (0, 0)
    assert store.run_command(commands.retry_given_up("a", (), later_s)) == 0
    store.close()
    open_store(path, NOW_S + 6 * A_DAY_S).close()
    open_store(path, later_s).close()
    store = open_store(path, NOW_S)
    assert count_given_up(store, NOW_S) == (0, 0)
    store.close()


def test_a_damaged_file_is_kept_for_seven_days(tmp_path: Path) -> None:
    """From when it was set aside, however old its last change is."""
    path = get_path(tmp_path)
    path.parent.mkdir()
    path.write_bytes(b"this is not a database" * 1000)
    aside = get_damaged_path(path)
    for days, is_kept in ((0.0, True), (6.9, True), (7.1, False)):
        open_store(path, NOW_S + days * A_DAY_S).close()
        assert aside.exists() == is_kept
