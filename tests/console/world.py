"""Topics with a few records of each kind, as a console finds them, and a console that reads them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import orjson
from aiokafka import AIOKafkaProducer

from streams.console.app import open_console
from streams.contract import account, batch, inbound, status
from streams.contract.account import AccountRecord
from streams.contract.alerts import record as alerts
from streams.contract.alerts.record import AlertRecord
from streams.contract.batch import BatchProgress
from streams.contract.dead_letter import DeadLetter, DeadLetterInfo
from streams.contract.errors import ErrorInfo
from streams.contract.inbound import InboundMessage
from streams.contract.timestamps import format_rfc3339
from streams.kafka import admin
from streams.kafka.broker_clock import fetch_broker_time_s
from streams.kafka.connection import client_options
from streams.kafka.topics import names
from streams.settings import Settings

PHONE = "+60123456789"
OTHER_PHONE = "+905551112233"
ERROR = ErrorInfo(code="server_error", class_="transient", title="refused", detail="")


def make_event(
    id: str, kind: Any, at_s: float, *, to: str | None = PHONE, suffix: str = "1", **fields: Any
) -> tuple[bytes, bytes]:
    """The key and the value of a status event."""
    event = status.make(id=id, status=kind, event_id_suffix=suffix, at_s=at_s, to=to, **fields)
    return (to or "").encode(), status.encode(event)


def make_letter(request_id: str, at_s: float, value: dict[str, Any], **fields: Any) -> DeadLetter:
    """A dead letter of a request; its id follows from the request's."""
    at = format_rfc3339(at_s)
    given: dict[str, Any] = {
        "id": f"wa.outbound:0:{sum(request_id.encode())}",
        "reason": "server_error",
        "error_class": "transient",
        "message": "the server refused it",
        "attempts": 4,
        "first_failed_at": at,
        "last_failed_at": at,
        "topic": "wa.outbound",
        "partition": 0,
        "offset": sum(request_id.encode()),
        "timestamp": int(at_s * 1000),
        "outcome": "not_sent",
        "request_id": request_id,
        "replay_count": 0,
    }
    headers = (("x-note", b"a header"),)
    info = DeadLetterInfo(**(given | fields))
    return DeadLetter(info=info, key=b"k", value=orjson.dumps(value), headers=headers)


@dataclass
class Topics:
    """Writes records of the service, in its place."""

    settings: Settings
    producer: AIOKafkaProducer
    now_s: float

    @classmethod
    @asynccontextmanager
    async def open(cls, settings: Settings) -> AsyncIterator["Topics"]:
        """Create the topics, and connect."""
        await admin.create_topics(settings)
        producer = AIOKafkaProducer(**client_options(settings), acks="all")
        await producer.start()
        try:
            yield cls(settings, producer, await fetch_broker_time_s(settings))
        finally:
            await producer.stop()

    async def put(
        self, topic: str, key: bytes | None, value: bytes | None, headers: Any = ()
    ) -> None:
        """Write one record; `topic` is a field of the names."""
        name = getattr(names(self.settings), topic)
        await self.producer.send_and_wait(name, value, key=key, headers=list(headers))

    async def put_event(self, id: str, kind: Any, ago_s: float = 10.0, **fields: Any) -> None:
        """Write a status event."""
        await self.put("status", *make_event(id, kind, self.now_s - ago_s, **fields))

    async def put_letter(self, letter: DeadLetter) -> None:
        """Write a dead letter."""
        await self.put("dlq", letter.key, letter.value, letter.build_record_headers())

    async def put_account(self, **fields: Any) -> None:
        """Write an account record."""
        given = {"account": "main", "state": "ready", "since": format_rfc3339(self.now_s)}
        record = AccountRecord(**(given | fields))
        await self.put("accounts", record.account.encode(), account.encode(record))

    async def put_inbound(self, body: str, **fields: Any) -> None:
        """Write a received message."""
        given: dict[str, Any] = {
            "event_id": f"main/{body[:20]}",
            "account": "main",
            "from_": PHONE,
            "chat_id": "60123456789@c.us",
            "whatsapp_id": "3EB0AA",
            "type": "text",
            "at": format_rfc3339(self.now_s),
            "body": body,
        }
        message = InboundMessage(**(given | fields))
        await self.put("inbound", message.key.encode(), inbound.encode(message))

    async def put_alert(self, state: Any, *, ago_s: float = 0.0, **fields: Any) -> None:
        """Write an alert of a silent account, raised or cleared."""
        at = format_rfc3339(self.now_s - ago_s)
        given: dict[str, Any] = {
            "event_id": f"account_silent/{state}",
            "alert": "account_silent",
            "state": state,
            "severity": "critical",
            "at": at,
            "raised_at": at,
            "summary": "Its sender is silent.",
            "labels": {"account": "main"},
            "threshold": 30.0,
            "runbook": "docs/runbook/account_silent.md",
        }
        record = AlertRecord(**(given | fields))
        await self.put("alerts", record.alert.encode(), alerts.encode(record))

    async def put_batch(self, batch_id: str, total: int, **counts: int) -> None:
        """Write the progress of a batch."""
        started = format_rfc3339(self.now_s - 60)
        progress = BatchProgress(batch_id=batch_id, total=total, started_at=started, **counts)
        await self.put("batches", batch_id.encode(), batch.encode(progress))

    async def fill(self) -> None:
        """A message in each situation, a dead letter, a received message, a batch and an account."""
        await self.put_event("sent-1", "accepted", 50.0, queue_position=0)
        await self.put_event(
            "sent-1", "sent", 49.0, account="main", whatsapp_id="3EB0C7", attempt=1
        )
        await self.put_event("sent-1", "delivered", 48.0, account="main", whatsapp_id="3EB0C7")
        await self.put_event("waits-1", "accepted", 40.0)
        await self.put_event(
            "waits-1", "queued", 40.0, reason="rate_limited", due_at_s=self.now_s + 9
        )
        await self.put_event("b-1/0", "accepted", 30.0, to=OTHER_PHONE, batch_id="b-1")
        await self.put_event("b-1/0", "failed", 20.0, to=OTHER_PHONE, batch_id="b-1", error=ERROR)
        request = {"to": OTHER_PHONE, "batch_id": "b-1", "text": "the secret text"}
        await self.put_letter(make_letter("b-1/0", self.now_s - 20, request))
        await self.put_inbound("a received text")
        await self.put_batch("b-1", 1, accepted=1, failed=1)
        await self.put_account(phone="+905550000001", sent_today=3)


@dataclass
class Visitor:
    """A browser, as far as HTTP shows it: it keeps cookies and reads pages."""

    http: aiohttp.ClientSession
    url: str

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        """A page."""
        async with self.http.get(self.url + path, headers=headers) as response:
            return response.status, await response.text()

    async def read_csrf(self, path: str = "/send") -> str:
        """The token of the session, out of a form."""
        _, page = await self.get(path)
        return page.partition('name="csrf" value="')[2].partition('"')[0]

    async def post(self, path: str, **fields: str) -> tuple[int, str]:
        """Send a form with the token of the session, and follow to the page after it."""
        form = {"csrf": await self.read_csrf(), "page": "/"} | fields
        async with self.http.post(self.url + path, data=form) as response:
            return response.status, await response.text()


@asynccontextmanager
async def visit(settings: Settings) -> AsyncIterator[Visitor]:
    """A running console that has read its topics, and a visitor."""
    jar = aiohttp.CookieJar(unsafe=True)  # of an address without a name
    async with (
        open_console(settings, "console") as console,
        aiohttp.ClientSession(cookie_jar=jar) as http,
    ):
        yield Visitor(http, console.server.url)


def in_folder(settings: Settings, folder: Path, **changes: Any) -> Settings:
    """The same topics, with a data folder of its own."""
    return replace(settings, data_dir=folder, **changes)
