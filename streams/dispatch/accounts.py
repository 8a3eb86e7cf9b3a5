"""What the dispatcher knows of the sending accounts: their newest records on `wa.accounts`."""

import logging
from collections.abc import Callable

import msgspec

from schemas import account

log = logging.getLogger(__name__)


class Accounts:
    """Which accounts there are, and which of them can send now. `changed` is called when that differs."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self.ready: dict[str, bool] = {}
        self._changed = changed

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """A record of `wa.accounts`; one without a value means that the account is no more."""
        name = (key or b"").decode(errors="replace")
        before = self.ready.get(name)
        if value is None:
            self.ready.pop(name, None)
        else:
            self.ready[name] = _is_ready(name, value)
        if self.ready.get(name) != before:
            log.info("account %s is %s", name, "ready" if self.ready.get(name) else "not ready")
            self._changed()


def _is_ready(name: str, value: bytes) -> bool:
    try:
        return account.decode(value).state == "ready"
    except msgspec.DecodeError as error:
        log.warning("account %s: no account record (%s); taken for not ready", name, error)
        return False
