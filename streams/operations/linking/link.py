"""Link an account with a phone: by QR code or by pairing code. The page is the sender's; this follows `wa.accounts`."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from streams.contract.account import AccountRecord, describe_account
from streams.domain.accounts.linking import (
    LinkedNumber,
    LinkRequest,
    NumberVerdict,
    decode_number,
    link_key,
    number_key,
)
from streams.domain.numbers import InvalidPhone, to_e164
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.reader import Record, open_reader
from streams.kafka.topics import names
from streams.observability.account_status import AccountStatus
from streams.operations import account_requests
from streams.operations.accounts import decode_record, get_age_s
from streams.operations.errors import CommandFailed, UsageError
from streams.settings import Settings
from streams.whatsapp.reasons import explain_reason

_PAIRING_REFUSED = "pairing_refused"
_WRONG_NUMBER = (NumberVerdict.OTHER, NumberVerdict.TAKEN)


async def request_link(
    settings: Settings, account: str, *, timeout_s: float, pairing_phone: str | None = None
) -> LinkRequest:
    """Tell the account's sender that a person waits to link it. A logout that was requested before is over.

    Raises:
        UsageError: the phone cannot be read.
    """
    requests = await account_requests.read_requests(settings)
    last = requests.get(account)
    if last is not None and last.requested == "logged_out":
        await account_requests.request_state(settings, account, "active")
    now_s = await fetch_broker_time_s(settings)
    request = LinkRequest(
        account=account,
        link_until_s=now_s + timeout_s,
        at_s=now_s,
        by=account_requests.describe_person(),
        pairing_phone=pairing_phone and read_phone(settings, pairing_phone),
    )
    await account_requests.publish_record(settings, link_key(account), request)
    return request


async def confirm_number(settings: Settings, account: str, phone: str) -> LinkedNumber:
    """From now on, this is the account's number: a person confirms that it has changed.

    Raises:
        UsageError: the number cannot be read, or another account has it.
    """
    linked_phone = read_phone(settings, phone)
    numbers = await read_numbers(settings)
    holders = [n for n, number in numbers.items() if number.linked_phone == linked_phone]
    if others := [name for name in holders if name != account]:
        raise UsageError(
            f"{linked_phone} is the number of the account {others[0]}; "
            f"remove that one first (`wa-streams accounts remove {others[0]}`)"
        )
    number = LinkedNumber(
        account=account,
        linked_phone=linked_phone,
        at_s=await fetch_broker_time_s(settings),
        by=account_requests.describe_person(),
    )
    await account_requests.publish_record(settings, number_key(account), number)
    return number


def read_phone(settings: Settings, text: str) -> str:
    """The number as E.164.

    Raises:
        UsageError: it cannot be read.
    """
    try:
        return to_e164(text, settings.default_region)
    except InvalidPhone as error:
        raise UsageError(f"{text}: {error}; write it with + and the country code") from None


async def read_numbers(settings: Settings) -> dict[str, LinkedNumber]:
    """The number behind the name of each account that is not removed."""
    removed = {
        name
        for name, request in (await account_requests.read_requests(settings)).items()
        if request.requested == "removed"
    }
    numbers: dict[str, LinkedNumber] = {}
    async with open_reader(settings, names(settings).account_requests) as reader:
        async for record in reader.read_to_end():
            number = decode_number(record.key or b"", record.value or b"")
            if number is not None and number.account not in removed:
                numbers[number.account] = number
    return numbers


class LinkListener(Protocol):
    """What a person sees while an account waits to be linked."""

    async def show_code(self, qr: str) -> None:
        """A new QR code, which can be scanned now."""
        ...

    async def show_pairing_code(self, code: str) -> None:
        """A new code, which can be typed into the phone now."""
        ...

    def show_state(self, record: AccountRecord) -> None:
        """The account is in another state now."""
        ...


class _CodeReporter:
    """Reports each code once."""

    def __init__(self, listener: LinkListener, *, is_by_pairing_code: bool) -> None:
        self._listener = listener
        self._is_by_pairing_code = is_by_pairing_code
        self._last_code: str | None = None
        self.has_reported = False

    async def report(self, record: AccountRecord) -> None:
        code = record.pairing_code if self._is_by_pairing_code else record.qr
        if code is not None and code != self._last_code:
            show = (
                self._listener.show_pairing_code
                if self._is_by_pairing_code
                else self._listener.show_code
            )
            await show(code)
            self.has_reported = True
        self._last_code = code


async def wait_until_linked(
    settings: Settings,
    account: str,
    listener: LinkListener,
    *,
    timeout_s: float,
    owner: str | None = None,
    is_by_pairing_code: bool = False,
    expected_phone: str | None = None,
) -> AccountRecord:
    """Wait until a phone has linked the account; with `expected_phone`, until that one has.

    The topic keeps the past: a record counts only if it was written after this call, or if it is the last
    one, fresh and from the running sender `owner` (`host:pid`). So a code that has expired is never shown.

    Raises:
        CommandFailed: it was not linked in time, or with a number that is not the account's.
    """
    last: AccountRecord | None = None
    reporter = _CodeReporter(listener, is_by_pairing_code=is_by_pairing_code)
    try:
        async with asyncio.timeout(timeout_s):
            async for record in _follow_account(settings, account, owner):
                if _is_linked(record, expected_phone):
                    return record
                if last is None or (record.state, record.reason) != (last.state, last.reason):
                    listener.show_state(record)
                last = record
                _check_refusal(record, has_shown_code=reporter.has_reported)
                await reporter.report(record)
    except TimeoutError:
        raise CommandFailed(_describe_unlinked(account, last, timeout_s)) from None
    raise AssertionError("unreachable: a topic has no end")


def _is_linked(record: AccountRecord, expected_phone: str | None) -> bool:
    """Also if it may not send now: a pause and a restriction are not the link's."""
    if record.state == "ready" and expected_phone is None:
        return True
    is_held = record.state in ("paused", "restricted") and record.reason != "logout_requested"
    is_usable = record.state == "ready" or (is_held and record.phone is not None)
    return is_usable and expected_phone in (None, record.phone)


def _check_refusal(record: AccountRecord, *, has_shown_code: bool) -> None:
    """Raises CommandFailed if waiting on is useless."""
    is_wrong_phone = record.reason in _WRONG_NUMBER and has_shown_code
    if record.state != "linking" or not (is_wrong_phone or record.reason == _PAIRING_REFUSED):
        return
    detail = explain_reason(record.reason or "") or ""
    if record.reason == NumberVerdict.OTHER:
        detail = (
            f"it was linked with {record.phone}, and its number is {record.linked_phone}. Run this again and link "
            f"the phone {record.linked_phone}, or confirm the new number with `--confirm-number {record.phone}`"
        )
    raise CommandFailed(f"{record.account} is not linked ({record.reason}): {detail}")


def _describe_unlinked(account: str, last: AccountRecord | None, timeout_s: float) -> str:
    if last is None:
        return (
            f"no heartbeat of {account} came within {timeout_s:g} s: is its sender running "
            "(`wa-streams ps`)?"
        )
    return f"{account} was not linked within {timeout_s:g} s: it is {describe_account(last)}"


async def _follow_account(
    settings: Settings, account: str, owner: str | None
) -> AsyncIterator[AccountRecord]:
    """The account's last record, if it is fresh and from this owner; then those that are written from now on."""
    now_s = await fetch_broker_time_s(settings)
    async with open_reader(settings, names(settings).accounts) as reader:
        end_offsets = await reader.end_offsets()
        last: Record | None = None
        async for record in reader.read_to_end():
            if record.key == account.encode():
                last = record
        reader.seek(end_offsets)
        if last is not None and owner is not None:
            status = AccountStatus(account, decode_record(last), get_age_s(last, now_s))
            if status.record is not None and status.record.owner == owner and not status.is_stale:
                yield status.record
        async for record in reader.follow():
            account_record = decode_record(record)
            if account_record is not None and account_record.account == account:
                yield account_record
