"""What one client finds out about a broker holds for all clients of the process."""

import asyncio

from streams.kafka.silent_brokers import OTHERS_ANSWER_S, PROBE_INTERVAL_S, SilentBrokers

FROZEN, OTHER = ("127.0.0.1", 1), ("127.0.0.1", 2)


class FakeConnection:
    """A connection of any client."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.aborted = asyncio.Event()

    def abort(self) -> None:
        self.aborted.set()


class FakeClock:
    """Seconds that a test sets."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


async def test_all_connections_to_it_are_closed() -> None:
    """No other client waits as long as the first one did."""
    brokers = SilentBrokers()
    to_frozen, to_other = [FakeConnection(), FakeConnection()], FakeConnection()
    for connection in to_frozen:
        brokers.add_connection(FROZEN, connection)
    brokers.add_connection(OTHER, to_other)
    brokers.give_up(FROZEN)
    async with asyncio.timeout(60):
        for connection in to_frozen:
            await connection.aborted.wait()
    assert not to_other.aborted.is_set()


def test_it_is_avoided_while_another_one_answers() -> None:
    """Until it answers; or until none answers, because then it may be the only one, and slow."""
    clock = FakeClock()
    brokers = SilentBrokers(clock)
    brokers.give_up(FROZEN)
    assert not brokers.is_silent(FROZEN)
    brokers.record_answer(OTHER)
    assert brokers.is_silent(FROZEN)
    assert not brokers.is_silent(OTHER)
    clock.now_s += OTHERS_ANSWER_S
    assert not brokers.is_silent(FROZEN)
    brokers.record_answer(OTHER)
    brokers.forgive(FROZEN)
    assert not brokers.is_silent(FROZEN)


def test_one_client_probes_it_at_intervals() -> None:
    """However many want to connect to it."""
    clock = FakeClock()
    brokers = SilentBrokers(clock)
    brokers.give_up(FROZEN)
    claims = []
    for _ in range(2):
        claims += [brokers.claim_probe(FROZEN) for _ in range(3)]
        clock.now_s += PROBE_INTERVAL_S
    claims += [brokers.claim_probe(FROZEN) for _ in range(3)]
    assert claims == [False, False, False, True, False, False, True, False, False]
