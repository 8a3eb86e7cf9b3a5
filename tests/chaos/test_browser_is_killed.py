"""The browser is SIGKILLed between each two steps of a message, 200 times: nothing is lost, repeated or unknown.

`make chaos` runs it and prints its figures. CHAOS_KILLS (200) and CHAOS_SEED (1) set it. The test plays
the dispatcher: one message of a recipient at a time, dispatched again until it has a final result.
"""

import itertools
import os
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.chaos.support.browser_sender import Dispatcher, id_of
from tests.chaos.support.kill_moments import ACK_DELAY_MS, Killer, Moment, linked_sender
from tests.support.sandbox import Sandbox
from tests.support.verdict import Verdict, judge, read_number

pytestmark = [pytest.mark.chaos, pytest.mark.browser, pytest.mark.timeout(2400)]

KILLS = int(os.environ.get("CHAOS_KILLS", "200"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
PHONES = [f"+6012{number:07}" for number in range(10)]
LOST_ACKS = 0.25  # of the messages whose browser is killed after their submit


async def test_nothing_is_lost_or_repeated(sandbox: Sandbox, tmp_path: Path) -> None:
    """A kill at each step, in the order of the seed; sometimes the ack of that message is lost too."""
    dice, started_s = random.Random(SEED), time.monotonic()
    async with linked_sender(sandbox, tmp_path / "main", dice) as sender:
        dispatcher = Dispatcher(sender)
        for number, moment in enumerate(itertools.islice(itertools.cycle(Moment), KILLS)):
            await _send_and_kill(dispatcher, sender.killer, number, moment)
        log = await sender.killer.control.fetch_log()
    _report(dispatcher, sender.killer, judge(log), time.monotonic() - started_s)
    _check(dispatcher, judge(log))
    assert len(sender.killer.kills) == KILLS
    assert sender.failures == []


async def _send_and_kill(
    dispatcher: Dispatcher, killer: Killer, number: int, moment: Moment
) -> None:
    """One message whose browser is killed, and one to the same recipient after it."""
    phone, text = killer.dice.choice(PHONES), f"message/{2 * number}"
    await killer.control.set_mark()
    await killer.control.clear_faults()
    # A page that goes on after a lost ack gets it with its next connection, which may take a minute.
    is_ack_lost = moment is not Moment.CLAIM and killer.dice.random() < LOST_ACKS
    fault = {"ack_lost": True} if is_ack_lost else {"ack_delay_ms": ACK_DELAY_MS}
    await killer.control.add_faults(fault, count=1)
    killer.aim(id_of(phone, text), moment)
    await dispatcher.send(phone, text)
    await dispatcher.send(phone, f"message/{2 * number + 1}")


def _check(dispatcher: Dispatcher, verdict: Verdict) -> None:
    texts = [f"message/{number}" for number in range(2 * KILLS)]
    assert Counter(type(result).__name__ for result in dispatcher.results.values()) == {
        "Sent": len(texts)
    }
    assert verdict.find_lost(texts) == []
    assert verdict.duplicates == []
    assert verdict.find_out_of_order(read_number) == []


def _report(dispatcher: Dispatcher, killer: Killer, verdict: Verdict, elapsed_s: float) -> None:
    kinds = Counter(type(result).__name__ for result in dispatcher.results.values())
    print(
        f"\nseed {SEED}: {KILLS} kills in {elapsed_s:.0f} s:"
        f" { {str(k): n for k, n in Counter(killer.kills).items()} }\n"
        f"results {dict(kinds)}, shown {len(verdict.shown)} of {2 * KILLS}, shown twice"
        f" {len(verdict.duplicates)}, repeats dropped by phones {verdict.dropped}, out of order"
        f" {len(verdict.find_out_of_order(read_number))}; dispatched again {dict(dispatcher.repeats)}",
        flush=True,
    )
