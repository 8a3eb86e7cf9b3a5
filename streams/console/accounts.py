"""The accounts as the pages show them: what their senders say, and what persons have requested. Decides nothing."""

from collections.abc import Callable

from streams.domain.accounts.linking import check_record
from streams.domain.accounts.requests import AccountRequest, decode_request
from streams.kafka.topics import names
from streams.kafka.view import CompactedView
from streams.observability.account_monitor import AccountMonitor
from streams.observability.account_status import AccountStatus
from streams.settings import Settings


class ConsoleAccounts:
    """Every account that there is. Call `start` first; `run` follows the senders until it is cancelled."""

    def __init__(
        self, settings: Settings, now_s: Callable[[], float], on_change: Callable[[], None]
    ) -> None:
        """`now_s`: the broker's time. `on_change` must not block."""
        self._on_change = on_change
        self._requests: dict[str, AccountRequest] = {}
        self.monitor = AccountMonitor(settings, now_s, on_change)
        self._view = CompactedView(
            settings,
            names(settings).account_requests,
            on_change=self._apply_request,
            check=check_record,
        )

    async def start(self) -> None:
        """Return once the requests are known; retries until then."""
        await self._view.start()
        for record in self._view.records():
            self._apply_request(record.key, record.value, record.append_s)

    async def stop(self) -> None:
        """Follow the requests no longer."""
        await self._view.stop()

    def list(self) -> list[AccountStatus]:
        """Each account with its state now, by name; not one that was removed."""
        statuses = {name: AccountStatus(name) for name in self._requests}
        statuses |= self.monitor.get_statuses()
        return [status for name, status in sorted(statuses.items()) if not self._is_removed(name)]

    def find(self, name: str) -> AccountStatus | None:
        """This account, if there is one."""
        return next((status for status in self.list() if status.name == name), None)

    def find_request(self, name: str) -> AccountRequest | None:
        """What a person has requested last for the account, whether its sender has noticed it or not."""
        return self._requests.get(name)

    def _is_removed(self, name: str) -> bool:
        request = self._requests.get(name)
        return request is not None and request.requested == "removed"

    def _apply_request(self, key: bytes, value: bytes | None, _: float) -> None:
        name = key.decode(errors="replace")
        request = None if value is None else decode_request(key, value)
        if value is None:
            self._requests.pop(name, None)
        elif request is not None:  # else: another kind of record
            self._requests[name] = request
        self._on_change()
