"""Processes are frozen for longer than their Kafka session and then go on: nothing is lost or shown twice.

`make chaos` runs it and prints its figures, with one account and with two. CHAOS_REQUESTS (2000) and
CHAOS_SEED (1) set it. A second dispatcher takes the partitions of a frozen one over.
"""

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from tests.chaos.support.judged_run import pause, run_messages
from tests.chaos.support.producers import make_requests
from tests.chaos.support.running_stack import RunningStack, run_stack
from tests.support.sandbox import SandboxControl
from tests.support.system import SystemUnderTest, Worker
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.broker, pytest.mark.browser, pytest.mark.timeout(2400)]

REQUESTS = int(os.environ.get("CHAOS_REQUESTS", "2000"))
SEED = int(os.environ.get("CHAOS_SEED", "1"))
MESSAGES_A_PHONE, LIMIT = 40, 5  # so it takes eight minutes: every service has its turn
SESSION_S = 6.0
PRODUCE_S = 60.0
FINISH_TIMEOUT_S = 1500.0
SECOND_DISPATCHER = "dispatch-9"


@dataclass
class Zombies:
    """Freezes each service in turn, sometimes two at once."""

    stack: RunningStack
    system: SystemUnderTest  # of the second dispatcher
    dice: random.Random
    counts: Counter[str] = field(default_factory=Counter)
    _second: Worker | None = None

    @property
    def senders(self) -> list[str]:
        """The names of the senders."""
        return [f"sender-{account}" for account in self.stack.settings.accounts]

    @property
    def browsers(self) -> list[str]:
        """The names of the browsers."""
        return [f"browser-{account}" for account in self.stack.settings.accounts]

    async def run(self, done: asyncio.Event) -> None:
        """Freeze in an order of the seed, again and again; all are ready before the next freeze."""
        while not done.is_set():
            for victims in self._make_round():
                await self._wait_until_ready(done)
                await pause(done, self.dice.uniform(1.0, 4.0))
                if done.is_set():
                    break
                await self._freeze(victims, done)
        await self._wait_until_ready(done)

    def _make_round(self) -> list[tuple[str, ...]]:
        """Each service alone, and each account's sender with a dispatcher."""
        alone = ["dispatch-1", SECOND_DISPATCHER, *self.senders, *self.browsers]
        rounds = [*((name,) for name in alone), *(("dispatch-1", name) for name in self.senders)]
        self.dice.shuffle(rounds)
        return rounds

    async def _freeze(self, victims: tuple[str, ...], done: asyncio.Event) -> None:
        duration_s = SESSION_S + self.dice.uniform(1.0, 6.0)
        for name in victims:
            if name == SECOND_DISPATCHER:
                assert self._second is not None
                self._second.process.send_signal(signal.SIGSTOP)
            elif not await asyncio.to_thread(self.stack.freeze, name):
                continue
            self.counts[name] += 1
        print(f"  {' and '.join(victims)} frozen for {duration_s:.0f} s", flush=True)
        await pause(done, duration_s)
        await asyncio.to_thread(self.stack.resume)
        if self._second is not None:
            self._second.process.send_signal(signal.SIGCONT)

    async def _wait_until_ready(self, done: asyncio.Event) -> None:
        """A dispatcher that has lost its partitions ends; `up` restarts its own one, and we the other."""

        async def are_all_ready() -> bool:
            if self._second is None or not self._second.is_alive:
                self._second = self.system.start_dispatcher(9)
            return done.is_set() or (
                await self._second.is_ready() and await asyncio.to_thread(self.stack.is_ready)
            )

        await wait_until(are_all_ready, timeout_s=180, message="a frozen service did not come back")


@pytest.fixture(params=[("main",), ("main", "second")], ids=["one account", "two accounts"])
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RunningStack]:
    """A running `up` with one or two accounts."""
    with run_stack(tmp_path, limit=LIMIT, accounts=list(request.param)) as stack:
        yield stack


async def test_a_zombie_loses_and_repeats_nothing(stack: RunningStack) -> None:
    """Dispatcher, sender and browser are stopped beyond the session, and continued, in the order of the seed."""
    status = await asyncio.to_thread(stack.wait_until_ready)
    settings = replace(stack.settings, kafka_bootstrap_servers=status["kafka"])
    system = SystemUnderTest(settings)
    phones = 2 * REQUESTS // MESSAGES_A_PHONE
    zombies = Zombies(stack, system, random.Random(SEED))
    try:
        run = await run_messages(
            settings,
            SandboxControl(status["sandbox"]),
            make_requests("plain", REQUESTS, phones),
            zombies,
            produce_s=PRODUCE_S,
            finish_timeout_s=FINISH_TIMEOUT_S,
        )
    finally:
        await asyncio.to_thread(system.stop)
    run.report(f"seed {SEED}, accounts {', '.join(settings.accounts)}")
    run.check()
    assert set(run.counts) == {"dispatch-1", SECOND_DISPATCHER, *zombies.senders, *zombies.browsers}
