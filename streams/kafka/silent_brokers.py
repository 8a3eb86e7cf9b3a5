"""Which brokers were given up, for all Kafka clients of this process together. It sends nothing itself.

The first client that finds a broker silent tells all others: their connections to it are closed, and none of them
waits for it any more. Such a broker stays avoided until a probe (timeouts.py) has its answer, or until no other broker
answers either: then it may be the only one, and slow.
"""

import asyncio
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Protocol
from weakref import WeakSet

Address = tuple[str, int]

OTHERS_ANSWER_S: Final = 10.0  # a broker is avoided if another one answered within this time
PROBE_INTERVAL_S: Final = 4.0  # between two probes of a broker that was given up


class Connection(Protocol):
    """A connection to a broker, in an event loop of its own."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The loop in which it may be closed."""
        ...

    def abort(self) -> None:
        """Close it: its requests fail, and are sent again to another broker."""
        ...


class SilentBrokers:
    """The brokers that were given up. Its methods may be called from any thread."""

    def __init__(self, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._clock_s = clock_s
        self._lock = threading.Lock()
        self._given_up: set[Address] = set()
        self._probed_at_s: dict[Address, float] = {}
        self._answered_at_s: dict[Address, float] = {}
        self._connections: dict[Address, WeakSet[Connection]] = {}

    def add_connection(self, address: Address, connection: Connection) -> None:
        """Close this connection too when the broker is given up."""
        with self._lock:
            self._connections.setdefault(address, WeakSet()).add(connection)

    def record_answer(self, address: Address) -> None:
        """A broker has answered something just now. Of one that was given up, it may be an old answer."""
        self._answered_at_s[address] = self._clock_s()

    def silence_s(self, address: Address) -> float:
        """How long ago a broker last answered anything."""
        return self._clock_s() - self._answered_at_s.get(address, -math.inf)

    def give_up(self, address: Address) -> None:
        """It does not answer: close every connection to it."""
        with self._lock:
            self._given_up.add(address)
            self._probed_at_s[address] = self._clock_s()
            connections = list(self._connections.pop(address, ()))
        for connection in connections:
            with suppress(RuntimeError):  # its loop has been closed, and the connection with it
                connection.loop.call_soon_threadsafe(connection.abort)

    def forgive(self, address: Address) -> None:
        """It has answered a probe, or a new connection."""
        with self._lock:
            self._given_up.discard(address)

    def is_silent(self, address: Address) -> bool:
        """Whether this broker was given up, while another one answers."""
        if address not in self._given_up:
            return False
        return any(
            other != address and self.silence_s(other) < OTHERS_ANSWER_S
            for other in list(self._answered_at_s)
        )

    def claim_probe(self, address: Address) -> bool:
        """Whether the caller is to probe this broker now: one does, at intervals."""
        with self._lock:
            now_s = self._clock_s()
            if now_s - self._probed_at_s.get(address, -PROBE_INTERVAL_S) < PROBE_INTERVAL_S:
                return False
            self._probed_at_s[address] = now_s
            return True


# Of this process: a broker that is silent for one client is silent for all.
silent_brokers: Final = SilentBrokers()
