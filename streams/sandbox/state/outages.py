"""When the server does not answer: its connections are down, or the whole network is. No I/O."""

import time
from collections.abc import Callable


class Outages:
    """The outages of all accounts. A key of None stands for every account."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sockets_up_s: dict[str | None, float] = {}
        self._network_up_s = 0.0

    def begin(self, name: str, account: str | None, duration_s: float) -> None:
        """The outage that the fault `name` requests begins now."""
        end_s = self._clock() + duration_s
        self._sockets_up_s[account] = end_s
        if name == "network_down_s":
            self._network_up_s = end_s

    def clear(self) -> None:
        """Every outage ends."""
        self._sockets_up_s.clear()
        self._network_up_s = 0.0

    def is_socket_down(self, phone: str | None) -> bool:
        """Whether the server refuses the connections of this account."""
        ends_s = [self._sockets_up_s.get(key, 0.0) for key in {None, phone}]
        return max(ends_s) > self._clock()

    def is_network_down(self) -> bool:
        """Whether a page cannot reach even a static file."""
        return self._network_up_s > self._clock()
