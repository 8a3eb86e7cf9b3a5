"""How long a page takes from its start until it is ready, step by step. Decides nothing."""

import time
from collections.abc import Callable
from typing import Final

STEPS: Final = ("browser", "page", "modules", "wa_js", "connected", "ready")


class StartTimer:
    """The times of the last start: of a browser, or of a page in it."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._started_s = now_s()
        self._times_s: dict[str, float] = {}

    def restart(self) -> None:
        """A browser or a page is about to be opened."""
        self._started_s = self._now_s()
        self._times_s = {}

    def record(self, step: str) -> None:
        """This step is reached. Only its first time counts."""
        self._times_s.setdefault(step, round(self._now_s() - self._started_s, 3))

    @property
    def times_s(self) -> dict[str, float]:
        """Seconds from the start to each step that was reached, in the order of the steps."""
        return {step: self._times_s[step] for step in STEPS if step in self._times_s}
