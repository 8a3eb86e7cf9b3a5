"""Sends one text from an account to its own number, as any other request, and follows it to its receipt."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from typing import Final

from streams.client import WhatsApp
from streams.contract.status import StatusEvent
from streams.contract.timestamps import format_rfc3339
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.operations.accounts import list_accounts
from streams.operations.errors import CommandFailed
from streams.settings import Settings

_LAST_STATUSES: Final = frozenset({"delivered", "read", "played"})


async def find_own_phone(settings: Settings, account: str) -> str:
    """The number of this account.

    Raises:
        CommandFailed: the account is not ready, so nothing can be sent now.
    """
    status = (await list_accounts(settings)).get(account)
    if status is None or status.record is None or status.record.phone is None:
        raise CommandFailed(f"{account} is not linked: `wa-streams accounts link {account}`")
    if not status.can_send:
        raise CommandFailed(f"{account} is {status.describe()}; it must be ready to send")
    return status.record.phone


async def send_to_self(
    settings: Settings, account: str, phone: str, timeout_s: float
) -> AsyncIterator[StatusEvent]:
    """Request the message, and yield its status events until a receipt, a failure or the timeout."""
    request_id, started_s = f"doctor-{uuid.uuid4().hex}", await fetch_broker_time_s(settings)
    text = f"wa-streams doctor: a test message, {format_rfc3339(started_s)}"
    seen_ids: set[str] = set()
    try:
        async with asyncio.timeout(timeout_s), WhatsApp(settings=settings) as whatsapp:
            await whatsapp.send(phone, text, id=request_id, account=account)
            async for event in whatsapp.statuses(id=request_id, to=phone, since_s=started_s):
                if event.event_id in seen_ids:  # events are published at least once
                    continue
                seen_ids.add(event.event_id)
                yield event
                if event.status in _LAST_STATUSES or event.is_final:
                    return
    except TimeoutError:
        return
