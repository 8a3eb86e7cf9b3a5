"""Messages: request one, read what became of them. Decides nothing about a message; the dispatcher does."""

import base64
import mimetypes
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from streams.client import RequestOptions, SendResponse, WhatsApp
from streams.contract.status import StatusEvent
from streams.operations.errors import CommandFailed
from streams.settings import Settings

_MEDIA_TYPES = ("image", "video", "audio")
_RECENT_S = 3600.0


def build_media_content(file: Path, caption: str | None) -> dict[str, Any]:
    """The content of a message that carries this file. Its type follows from the file's name."""
    mime = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    media_type = mime.partition("/")[0]
    media: dict[str, Any] = {
        "type": media_type if media_type in _MEDIA_TYPES else "document",
        "data": base64.b64encode(file.read_bytes()).decode(),
        "mime": mime,
        "filename": file.name,
    }
    return media if caption is None else media | {"caption": caption}


async def send(
    settings: Settings,
    to: str,
    content: str | dict[str, Any],
    options: RequestOptions,
    *,
    id: str | None,
) -> SendResponse:
    """Produce a request. Returns once Kafka has it; a dispatcher need not run."""
    async with WhatsApp(settings=settings) as whatsapp:
        return await whatsapp.send(to, content, id=id, **options)


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
    # The client's default is `urgent`: a waiting command is not a reason to overtake other messages.
    options.setdefault("priority", "normal")
    try:
        async with WhatsApp(settings=settings) as whatsapp:
            return await whatsapp.send_immediate(to, content, id=id, timeout_s=timeout_s, **options)
    except TimeoutError:
        raise CommandFailed(
            f"no answer within {timeout_s:g} s; the request stays in the queue. "
            "Is a dispatcher running (`wa-streams ps`)?"
        ) from None


async def read_events(
    settings: Settings, *, id: str | None, follow: bool, since_s: float | None
) -> AsyncIterator[StatusEvent]:
    """Status events of one request or of all, each once; with `follow` also those still to come.

    Without `since_s` (epoch seconds): every event of a request; of all requests the last hour, or with
    `follow` only what is still to come.
    """
    seen_ids: set[str] = set()
    async with WhatsApp(settings=settings) as whatsapp:
        async for event in _open_events(whatsapp, id, follow, since_s):
            if event.event_id not in seen_ids:  # events are published at least once
                seen_ids.add(event.event_id)
                yield event


def _open_events(
    whatsapp: WhatsApp, id: str | None, follow: bool, since_s: float | None
) -> AsyncIterator[StatusEvent]:
    if since_s is None and id is not None:
        since_s = 0.0
    if follow:
        return whatsapp.statuses(id=id, since_s=since_s)
    return whatsapp.history(id=id, since_s=time.time() - _RECENT_S if since_s is None else since_s)
