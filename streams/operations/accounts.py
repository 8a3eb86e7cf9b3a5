"""The sending accounts, as their senders describe them on `wa.accounts`: list them, link one with a phone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from types import TracebackType

import msgspec

from streams.contract import account as wire
from streams.contract.account import AccountRecord
from streams.kafka.reader import Record, open_reader
from streams.kafka.topics import names
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings
from streams.system.tasks import race


def require_account(settings: Settings, account: str) -> None:
    """Check that this is a sending account.

    Raises:
        UsageError: WA_ACCOUNTS does not name it.
    """
    if account not in settings.accounts:
        raise UsageError(
            f"{account} is not an account ({', '.join(settings.accounts)}); "
            "add it to WA_ACCOUNTS and run `wa-streams topics create`"
        )


async def list_accounts(settings: Settings) -> dict[str, AccountRecord | None]:
    """The last record of each account, by name; None for an account that has never run."""
    records: dict[str, AccountRecord | None] = dict.fromkeys(settings.accounts)
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.read_to_end():
            account_record = _decode_record(record)
            if account_record is not None:
                records[account_record.account] = account_record
    return dict(sorted(records.items()))


async def wait_until_linked(
    settings: Settings,
    account: str,
    on_code: Callable[[str], Awaitable[None]],
    *,
    timeout_s: float,
) -> AccountRecord:
    """Wait until a phone has linked the account. `on_code` is called with each new QR code.

    Raises:
        CommandFailed: it was not linked in time.
    """
    shown_codes: set[str] = set()
    try:
        async with asyncio.timeout(timeout_s):
            async for record in _follow_account(settings, account):
                if record.state == "ready":
                    return record
                if record.qr is not None and record.qr not in shown_codes:
                    shown_codes.add(record.qr)
                    await on_code(record.qr)
    except TimeoutError:
        raise CommandFailed(
            f"{account} was not linked within {timeout_s:g} s: is its sender running (`wa-streams ps`)?"
        ) from None
    raise AssertionError("unreachable: a topic has no end")


async def _follow_account(settings: Settings, account: str) -> AsyncIterator[AccountRecord]:
    """The records of an account, from the oldest one on."""
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.follow():
            account_record = _decode_record(record)
            if account_record is not None and account_record.account == account:
                yield account_record


class LinkCodeWatcher:
    """Reports the QR code of each account that waits to be linked. An async context.

    `on_code` is called with the account and its code, or with None once the code is not needed any more.
    """

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
        """Follow the topic from its end: the codes of an earlier run have expired.

        Returns once no later record can be missed.
        """
        is_following = asyncio.Event()
        self._follow_task = asyncio.create_task(self._follow(settings, is_following))
        await race(_wait_for(self._follow_task), _wait_for_event(is_following))

    async def _follow(self, settings: Settings, is_following: asyncio.Event) -> None:
        async with open_reader(settings, names(settings).accounts) as reader:
            await reader.seek_to_end()
            is_following.set()
            async for record in reader.follow():
                self._handle_record(_decode_record(record))

    def _handle_record(self, record: AccountRecord | None) -> None:
        if record is None:
            return
        code = record.qr if record.state == "linking" else None
        if self._codes.get(record.account) != code:
            self._codes[record.account] = code
            self._on_code(record.account, code)


async def _wait_for(task: asyncio.Task[None]) -> None:
    """Await a task without cancelling it."""
    await asyncio.shield(task)


async def _wait_for_event(event: asyncio.Event) -> None:
    await event.wait()


def _decode_record(record: Record) -> AccountRecord | None:
    """The account record; None for a tombstone and for a record that another program wrote."""
    try:
        return None if record.value is None else wire.decode(record.value)
    except msgspec.DecodeError:
        return None
