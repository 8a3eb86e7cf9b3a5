"""What a sender makes of a request of a person: its answer is the account's record. Every wait is bounded."""

import asyncio

from streams.contract.account import AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.domain.accounts.requests import AccountRequest
from streams.kafka.reader import open_reader
from streams.kafka.topics import names
from streams.observability.account_status import DOWN
from streams.operations.accounts import decode_record, list_accounts
from streams.settings import Settings


async def wait_until_applied(
    settings: Settings, request: AccountRequest, *, timeout_s: float, state: str | None = None
) -> AccountRecord | None:
    """The account's record once its sender acts on the request, and the account is in this state; else the last one.

    None: no sender of it runs, or it has not noticed the request in this time.
    """
    if not await _is_sender_alive(settings, request.account):
        return None
    last: AccountRecord | None = None
    at = format_rfc3339(request.at_s)
    try:
        async with (
            asyncio.timeout(timeout_s),
            open_reader(settings, names(settings).accounts) as reader,
        ):
            async for record in reader.follow():
                account_record = decode_record(record)
                if account_record is None or account_record.account != request.account:
                    continue
                if account_record.request is None or account_record.request.at != at:
                    continue
                last = account_record
                if state in (None, account_record.state):
                    return last
    except TimeoutError:
        pass
    return last


async def _is_sender_alive(settings: Settings, account: str) -> bool:
    status = (await list_accounts(settings)).get(account)
    return status is not None and status.state not in ("stopped", DOWN)
