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


class LinkCodeWatcher:
    """Tells each code that an account is to be linked with; an async context."""

    def __init__(self, on_code: Callable[[str, str | None], None]) -> None:
        self._on_code = on_code
        self._codes: dict[str, str | None] = {}
        self._follow_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LinkCodeWatcher":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._follow_task is not None:
            self._follow_task.cancel()
            await asyncio.wait({self._follow_task})
        for account in self._codes:
            self._on_code(account, None)

    async def start(self, settings: Settings) -> None:
        """Begin, with what is said from now on: codes of an earlier run are good for nothing.

        Returns once nothing that is said later can be missed.
        """
        started = asyncio.Event()
        self._follow_task = asyncio.create_task(self._follow(settings, started))
        started_task = asyncio.create_task(started.wait())
        await asyncio.wait({self._follow_task, started_task}, return_when=asyncio.FIRST_COMPLETED)
        started_task.cancel()
        if self._follow_task.done():
            self._follow_task.result()

    async def _follow(self, settings: Settings, started: asyncio.Event) -> None:
        async with open_reader(settings, names(settings).accounts) as reader:
            await reader.seek_to_end()
            started.set()
            async for record in reader.follow():
                self._handle_record(decode_account_record(record))

    def _handle_record(self, record: AccountRecord | None) -> None:
        if record is None:
            return
        code = record.qr if record.state == "linking" else None
        if self._codes.get(record.account) != code:
            self._codes[record.account] = code
            self._on_code(record.account, code)


async def read_account_records(settings: Settings) -> dict[str, AccountRecord]:
    """The last that each account said."""
    account_records: dict[str, AccountRecord] = {}
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.read_to_end():
            account_record = decode_account_record(record)
            if account_record is not None:
                account_records[account_record.account] = account_record
    return account_records


async def follow_account(settings: Settings, account: str) -> AsyncIterator[AccountRecord]:
    """What an account said, and says."""
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.follow():
            account_record = decode_account_record(record)
            if account_record is not None and account_record.account == account:
                yield account_record


def decode_account_record(record: Record) -> AccountRecord | None:
    """What the record says, None for a tombstone and for what somebody else has put there."""
    try:
        return None if record.value is None else wire.decode(record.value)
    except msgspec.DecodeError:
        return None
