"""The sending accounts, as their senders describe them on `wa.accounts`: list them, follow their QR codes."""

import asyncio
import logging
from collections.abc import Callable
from types import TracebackType
from typing import Final

import msgspec
from aiokafka.errors import KafkaError

from streams.contract import account as wire
from streams.contract.account import AccountRecord, describe_account
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import KafkaUnreachable
from streams.kafka.reader import Record, TopicNotFound, open_reader
from streams.kafka.topics import names
from streams.observability.account_status import AccountStatus
from streams.operations.account_requests import find_accounts
from streams.operations.errors import UsageError
from streams.settings import Settings
from streams.system.tasks import CONSUMER_CANCEL_AGAIN_AFTER_S, cancel_tasks, race

log = logging.getLogger(__name__)

# WhatsApp shows the first code for 60 s and each later one for 20 s. An older one is the code of a page
# that has stopped: nobody can scan it.
CODE_LIFETIME_S: Final = 65.0
_RETRY_DELAY_S: Final = 1.0


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


async def require_existing(settings: Settings, account: str) -> None:
    """Check that there is this account, wherever its sender runs.

    Raises:
        UsageError: there is no such account, or it was removed.
    """
    existing = await find_accounts(settings)
    if account not in existing:
        listed = ", ".join(sorted(existing)) or "none"
        raise UsageError(f"there is no account {account} ({listed}); see `wa-streams accounts add`")


async def list_accounts(settings: Settings) -> dict[str, AccountStatus]:
    """What is known now of each account that there is, by name: also of one that was added by `accounts add`."""
    existing = await find_accounts(settings)
    statuses = {name: AccountStatus(name) for name in existing}
    now_s = await fetch_broker_time_s(settings)
    async with open_reader(settings, names(settings).accounts) as reader:
        async for record in reader.read_to_end():
            account_record = decode_record(record)
            if record.value is None and record.key is not None:
                statuses.pop(record.key.decode(errors="replace"), None)  # the account was removed
            if account_record is not None:
                name = account_record.account
                statuses[name] = AccountStatus(name, account_record, get_age_s(record, now_s))
    return {name: status for name, status in sorted(statuses.items()) if name in existing}


async def describe_accounts(settings: Settings) -> list[str]:
    """Each account with its state and what limits it, in a line: why a message may wait for an account."""
    statuses = (await list_accounts(settings)).values()
    return [f"{status.name} is {_describe(status)}" for status in statuses]


def _describe(status: AccountStatus) -> str:
    if status.record is not None and status.state == status.record.state:
        new_chats = "" if status.record.new_chats_allowed else " (no new chats)"
        return describe_account(status.record) + new_chats
    return f"{status.state}: {status.reason}" if status.reason else status.state


def get_age_s(record: Record, now_s: float) -> float:
    """How old this record of `wa.accounts` is."""
    return max(0.0, now_s - record.timestamp / 1000)


class LinkCodeWatcher:
    """Reports the QR code of each account that waits to be linked. An async context.

    `on_code` is called with the account and its code, or with None once the code is not needed any more
    or cannot be scanned any more.
    """

    def __init__(
        self,
        on_code: Callable[[str, str | None], None],
        *,
        code_lifetime_s: float = CODE_LIFETIME_S,
    ) -> None:
        self._on_code = on_code
        self._code_lifetime_s = code_lifetime_s
        self._codes: dict[str, str | None] = {}
        self._expiry_timers: dict[str, asyncio.TimerHandle] = {}
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
            await cancel_tasks(self._follow_task, again_after_s=CONSUMER_CANCEL_AGAIN_AFTER_S)
        for account, code in list(self._codes.items()):
            if code is not None:
                self._set_code(account, None)

    async def start(self, settings: Settings) -> None:
        """Follow the topic from its end: the codes of an earlier run have expired.

        Returns once no later record can be missed. A broker that fails later is read again: no code is
        shown meanwhile, and nothing else ends.
        """
        is_following = asyncio.Event()
        self._follow_task = asyncio.create_task(self._run(settings, is_following))
        await race(_wait_for(self._follow_task), _wait_for_event(is_following))

    async def _run(self, settings: Settings, is_following: asyncio.Event) -> None:
        while True:
            try:
                await self._follow(settings, is_following)
            except (KafkaError, KafkaUnreachable, TopicNotFound, OSError) as error:
                if not is_following.is_set():
                    raise
                log.warning("cannot read the QR codes (%r); trying again", error)
            await asyncio.sleep(_RETRY_DELAY_S)

    async def _follow(self, settings: Settings, is_following: asyncio.Event) -> None:
        async with open_reader(settings, names(settings).accounts) as reader:
            await reader.seek_to_end()
            is_following.set()
            async for record in reader.follow():
                self.handle_record(decode_record(record))

    def handle_record(self, record: AccountRecord | None) -> None:
        """The account is in this state now; a code is reported once, and again when it must disappear."""
        if record is None:
            return
        code = record.qr if record.state == "linking" else None
        if self._codes.get(record.account) != code:
            self._set_code(record.account, code)

    def _set_code(self, account: str, code: str | None) -> None:
        previous_timer = self._expiry_timers.pop(account, None)
        if previous_timer is not None:
            previous_timer.cancel()
        self._codes[account] = code
        if code is not None:
            self._expiry_timers[account] = asyncio.get_running_loop().call_later(
                self._code_lifetime_s, self._on_code, account, None
            )
        self._on_code(account, code)


async def _wait_for(task: asyncio.Task[None]) -> None:
    """Await a task without cancelling it."""
    await asyncio.shield(task)


async def _wait_for_event(event: asyncio.Event) -> None:
    await event.wait()


def decode_record(record: Record) -> AccountRecord | None:
    """The account record; None for a tombstone and for a record that another program wrote."""
    try:
        return None if record.value is None else wire.decode(record.value)
    except msgspec.DecodeError:
        return None
