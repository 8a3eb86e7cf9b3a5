"""Messages: request one, cancel what waits, read what became of them. Decides nothing; the dispatcher does."""

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from streams.client import SENT_STATUSES, RequestOptions, SendResponse, WhatsApp
from streams.client.recipient_calls import produce
from streams.client.requests import build_request, encode_cancel
from streams.contract.errors import ErrorInfo
from streams.contract.request import media
from streams.contract.status import StatusEvent
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.operations.accounts import describe_accounts
from streams.operations.errors import CommandFailed, no_answer
from streams.settings import Settings

_RECENT_S = 3600.0
# A cancel of many messages has no last answer: it is over if none was cancelled for so long.
_CANCEL_SILENCE_S: Final = 3.0


@dataclass(slots=True)
class CancelResult:
    """What became of a cancel, as far as `wa.status` tells it."""

    request_id: str
    cancelled: int = 0
    unknown: int = 0  # replayed messages of which an earlier generation may have arrived
    error: ErrorInfo | None = None  # why nothing could be cancelled


def build_media_content(file: Path, caption: str | None) -> dict[str, Any]:
    """The content of a message that carries this file. Its kind follows from its bytes, else from its name."""
    data = file.read_bytes()
    content: dict[str, Any] = {
        "type": media.choose_kind(data, file.name),
        "data": base64.b64encode(data).decode(),
        "filename": file.name,
    }
    return content if caption is None else content | {"caption": caption}


async def send(
    settings: Settings,
    to: str,
    content: str | dict[str, Any],
    options: RequestOptions,
    *,
    id: str | None,
) -> SendResponse:
    """Produce a request. Returns once Kafka has it; a dispatcher need not run."""
    # An invalid request is refused without a broker, too.
    request = build_request(to, content, id, options)
    async with WhatsApp(settings=settings) as whatsapp:
        return SendResponse(await produce(whatsapp, request))


async def send_and_wait(
    settings: Settings,
    to: str,
    content: str | dict[str, Any],
    options: RequestOptions,
    *,
    id: str | None,
    timeout_s: float,
) -> StatusEvent:
    """Produce a request and wait until it is sent or has ended otherwise.

    Raises:
        CommandFailed: neither happened in time. The request is not withdrawn.
    """
    request = build_request(to, content, id, options)
    # Events are read from before the request on, so that none is missed.
    since_s = await fetch_broker_time_s(settings)
    last: StatusEvent | None = None
    try:
        async with asyncio.timeout(timeout_s), WhatsApp(settings=settings) as whatsapp:
            await produce(whatsapp, request)
            async for event in whatsapp.statuses(id=request.id, to=to, since_s=since_s):
                last = event
                if event.status in SENT_STATUSES or event.is_final:
                    return event
    except TimeoutError:
        if last is None:
            raise no_answer(timeout_s) from None
        text = _describe_timeout(request.id, last, timeout_s)
        if last.reason == "no_account":
            text = "; ".join([text, *await describe_accounts(settings)])
        raise CommandFailed(text) from None
    raise AssertionError("unreachable: a topic has no end")


def _describe_timeout(request_id: str, last: StatusEvent, timeout_s: float) -> str:
    reason = f" ({last.reason})" if last.reason else ""
    due = f", due at {last.due_at}" if last.due_at else ""
    ahead = f", {last.queue_position} ahead of it" if last.queue_position else ""
    return (
        f"{request_id} was not sent within {timeout_s:g} s; its last status is "
        f"{last.status}{reason}{due}{ahead}. It stays in the queue: `wa-streams queue` shows why"
    )


async def cancel(
    settings: Settings,
    to: str | None,
    id: str | None,
    *,
    batch_id: str | None,
    request_id: str | None,
    timeout_s: float | None,
) -> CancelResult:
    """Produce a cancel, and count what it cancelled; without a timeout, only produce it.

    The wait ends with the answer, after `timeout_s`, or, for more than one message, when no more are cancelled.
    """
    request = encode_cancel(to, id, batch_id, request_id)
    result = CancelResult(request.id)
    # Events are read from before the request on, so that none is missed.
    since_s = None if timeout_s is None else await fetch_broker_time_s(settings)
    async with WhatsApp(settings=settings) as whatsapp:
        await produce(whatsapp, request)
        if timeout_s is not None:
            events = whatsapp.statuses(to=to, since_s=since_s)
            await _count_cancelled(result, events, id, batch_id, timeout_s)
    return result


async def _count_cancelled(
    result: CancelResult,
    events: AsyncGenerator[StatusEvent, None],
    id: str | None,
    batch_id: str | None,
    timeout_s: float,
) -> None:
    clock = asyncio.get_running_loop().time
    end_s = clock() + timeout_s
    seen_ids: set[str] = set()  # events are published at least once
    try:
        async with asyncio.timeout_at(end_s) as timeout, aclosing(events):
            async for event in events:
                if event.id == result.request_id and event.status == "rejected":
                    result.error = event.error
                    return
                if event.event_id in seen_ids or not _is_cancelled_by(event, id, batch_id):
                    continue
                seen_ids.add(event.event_id)
                result.cancelled += event.status == "cancelled"
                result.unknown += event.status == "unknown"
                if id is not None:
                    return
                timeout.reschedule(min(end_s, clock() + _CANCEL_SILENCE_S))
    except TimeoutError:
        return  # the result says how far it came


def _is_cancelled_by(event: StatusEvent, id: str | None, batch_id: str | None) -> bool:
    return (
        event.status in ("cancelled", "unknown")
        and (id is None or event.id == id)
        and (batch_id is None or event.batch_id == batch_id)
    )


async def read_events(
    settings: Settings,
    *,
    id: str | None,
    to: str | None = None,
    follow: bool,
    since_s: float | None,
) -> AsyncIterator[StatusEvent]:
    """Status events of one request or of all, each once; with `follow` also those still to come.

    Without `since_s` (epoch seconds): every event of a request; of all requests the last hour, or with
    `follow` only what is still to come.
    """
    seen_ids: set[str] = set()
    async with WhatsApp(settings=settings) as whatsapp:
        async for event in await _open_events(settings, whatsapp, id, to, follow, since_s):
            if event.event_id not in seen_ids:  # events are published at least once
                seen_ids.add(event.event_id)
                yield event


async def _open_events(
    settings: Settings,
    whatsapp: WhatsApp,
    id: str | None,
    to: str | None,
    follow: bool,
    since_s: float | None,
) -> AsyncIterator[StatusEvent]:
    if since_s is None and (id or to):
        since_s = 0.0
    if follow:
        return whatsapp.statuses(id=id, to=to, since_s=since_s)
    if since_s is None:  # the topic has the broker's times
        since_s = max(0.0, await fetch_broker_time_s(settings) - _RECENT_S)
    return whatsapp.history(id=id, to=to, since_s=since_s)
