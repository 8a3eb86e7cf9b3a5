"""What persons have requested for this sender's account: follows `wa.internal.accounts`. Carries nothing out."""

import logging
from collections.abc import Callable
from typing import Final

from streams.domain.accounts.linking import Instructions, check_record, read_instructions
from streams.domain.accounts.requests import AccountRequest, decode_request
from streams.kafka.malformed import MalformedRecords
from streams.kafka.view import CompactedView
from streams.settings import Settings

log = logging.getLogger(__name__)

CATCH_UP_TIMEOUT_S: Final = 10.0


class InstructionReader:
    """The current instructions; `on_change` is called with the new ones at each change."""

    def __init__(
        self,
        settings: Settings,
        account: str,
        topic: str,
        on_change: Callable[[Instructions], object],
    ) -> None:
        self._account = account
        self._on_change = on_change
        self._view = CompactedView(settings, topic, on_change=self._on_record, check=check_record)

    async def start(self) -> None:
        """Return once everything is read that was requested before."""
        await self._view.start()

    async def stop(self) -> None:
        """Follow the topic no longer."""
        await self._view.stop()

    async def catch_up(self) -> bool:
        """Return once everything is read that was requested before this call; False: that takes too long."""
        return await self._view.catch_up(CATCH_UP_TIMEOUT_S)

    def read(self) -> Instructions:
        """What is requested now, as far as it was read."""
        return read_instructions(self._account, self._view.items())

    @property
    def malformed(self) -> MalformedRecords:
        """The records that could not be read."""
        return self._view.malformed

    def _on_record(self, key: bytes, value: bytes | None, append_s: float) -> None:
        request = decode_request(key, value or b"")
        if request is not None and request.account == self._account:
            self._log_request(request)
        self._on_change(self.read())

    def _log_request(self, request: AccountRequest) -> None:
        log.warning("a person requests that the account %s is %s", self._account, request.requested)
        if request.requested == "removed":
            log.warning(
                "nothing is dispatched to it any more: stop this sender, and take the account out of "
                "WA_ACCOUNTS; `wa-streams accounts add %s` undoes it",
                self._account,
            )
