"""What accounts say on `wa.accounts`, as far as a person has to do something about it: scan a code."""

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType

import msgspec

from streams.contract import account as wire
from streams.contract.account import AccountRecord
from streams.kafka.reader import Record, open_reader
from streams.kafka.topics import names
from streams.settings import Settings


class Codes:
    """Tells each code that an account is to be linked with; an async context."""

    def __init__(self, code: Callable[[str, str | None], None]) -> None:
        self._code = code
        self._shown: dict[str, str | None] = {}
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Codes":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait({self._following})
        for account in self._shown:
            self._code(account, None)

    async def follow(self, settings: Settings) -> None:
        """Begin, with what is said from now on: codes of an earlier run are good for nothing.

        Returns once nothing that is said later can be missed.
        """
        begun = asyncio.Event()
        self._following = asyncio.create_task(self._follow(settings, begun))
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({self._following, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self._following.done():
            self._following.result()

    async def _follow(self, settings: Settings, begun: asyncio.Event) -> None:
        async with open_reader(settings, names(settings).accounts) as reader:
            await reader.seek_to_end()
            begun.set()
            async for record in reader.follow():
                self._tell(account_in(record))

    def _tell(self, record: AccountRecord | None) -> None:
        if record is None:
            return
        code = record.qr if record.state == "linking" else None
        if self._shown.get(record.account) != code:
            self._shown[record.account] = code
            self._code(record.account, code)


async def states(settings: Settings) -> dict[str, AccountRecord]:
    """The last that each account said."""
    found: dict[str, AccountRecord] = {}
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.read_to_end():
            said = account_in(record)
            if said is not None:
                found[said.account] = said
    return found


async def following(settings: Settings, account: str) -> AsyncIterator[AccountRecord]:
    """What an account said, and says."""
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.follow():
            said = account_in(record)
            if said is not None and said.account == account:
                yield said


def account_in(record: Record) -> AccountRecord | None:
    """What the record says, None for a tombstone and for what somebody else has put there."""
    try:
        return None if record.value is None else wire.decode(record.value)
    except msgspec.DecodeError:
        return None
