"""The pages that only show: overview, accounts, queue, search, messages, conversations, batches. Changes nothing."""

from functools import partial
from typing import Any, Final

import msgspec
from aiohttp import web

from streams.console.model import queries
from streams.console.model.measurements import read_evaluated_s
from streams.console.model.requests import find_contents
from streams.console.web.chart import build_chart, build_measurement_charts
from streams.console.web.console import Console, get_query, get_session, require_query
from streams.console.web.rendering import PAGE_ROWS, build_url, read_offset, render
from streams.console.web.runbook import read_pages, render_page
from streams.contract.status import StatusEvent
from streams.domain.accounts.routing import DEFAULT_WEIGHT, parse_weights
from streams.operations.alerts import MAX_EVALUATION_AGE_S, build_runbook_url
from streams.whatsapp.reasons import explain_reason

_MINUTES: Final = 60
_SEARCH_ROWS: Final = 100
_CONVERSATION_ROWS: Final = 200


class Pages:
    """The handlers."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        return [
            web.get("/", self.overview),
            web.get("/accounts", self.accounts),
            web.get("/account", self.account),
            web.get("/queue", self.queue),
            web.get("/search", self.search),
            web.get("/message", self.message),
            web.get("/conversation", self.conversation),
            web.get("/batches", self.batches),
            web.get("/batch", self.batch),
            web.get("/kafka", self.kafka),
            web.get("/runbook", self.runbook),
        ]

    async def overview(self, request: web.Request) -> web.Response:
        """What happens now, and in the last hour."""
        first_minute = int(self._console.now_s() // 60) - _MINUTES + 1

        def query(connection: Any) -> tuple[Any, ...]:
            return (
                queries.count_by_minute(connection, first_minute),
                build_measurement_charts(connection, first_minute, _MINUTES),
                queries.count_waiting(connection),
                queries.count_dead_letters(connection),
                queries.list_alerts(connection),
                read_evaluated_s(connection),
            )

        counts, charts, waiting, dead_letters, alerts, evaluated_s = await self._console.model.read(
            query
        )
        return self._render(
            request,
            "overview.html",
            chart=build_chart(counts, first_minute, _MINUTES),
            charts=charts,
            waiting=waiting,
            dead_letters=dead_letters,
            alerts=alerts,
            runbook_urls={alert["alert"]: self._find_runbook(alert["alert"]) for alert in alerts},
            are_alerts_current=self._console.now_s() - evaluated_s <= MAX_EVALUATION_AGE_S,
            accounts=self._console.accounts.list(),
        )

    async def accounts(self, request: web.Request) -> web.Response:
        """Each account with its state."""
        weights = parse_weights(self._console.settings.account_weights)
        return self._render(
            request,
            "accounts/list.html",
            accounts=self._console.accounts.list(),
            weights={name: int(weight) for name, weight in weights.items()},
            default_weight=int(DEFAULT_WEIGHT),
        )

    async def account(self, request: web.Request) -> web.Response:
        """One account, with the codes that link it."""
        name = require_query(request, "name")
        status = self._console.accounts.find(name)
        if status is None:
            raise web.HTTPNotFound(text=f"there is no account {name}")
        return self._render(
            request,
            "accounts/account.html",
            account=status,
            request_of_person=self._console.accounts.find_request(name),
            explanation=explain_reason(status.reason or ""),
        )

    async def queue(self, request: web.Request) -> web.Response:
        """Whom something waits for; with `to`, what waits for this recipient."""
        page_number, offset = read_offset(request)
        recipient = self._console.read_recipient(get_query(request, "to"))
        query = (
            partial(queries.list_waiting, recipient=recipient, limit=PAGE_ROWS, offset=offset)
            if recipient
            else partial(queries.list_waiting_recipients, limit=PAGE_ROWS, offset=offset)
        )
        page = await self._console.model.read(query)
        waiting = await self._console.model.read(queries.count_waiting)
        template = "messages/queue_recipient.html" if recipient else "messages/queue.html"
        return self._render(
            request, template, page=page, page_number=page_number, to=recipient, waiting=waiting
        )

    async def search(self, request: web.Request) -> web.Response:
        """Messages by recipient, id, batch or WhatsApp id."""
        text = get_query(request, "q")
        recipient = self._console.read_recipient(text) if text else ""
        can_operate = get_session(request).can_operate

        def query(connection: Any) -> list[Any]:
            found = queries.search(connection, text, recipient, _SEARCH_ROWS)
            # Metadata may name a person, so only who may see them can look for them.
            if not can_operate:
                return found
            known = {(row["recipient"], row["id"]) for row in found}
            others = queries.search_metadata(connection, text, _SEARCH_ROWS)
            return found + [row for row in others if (row["recipient"], row["id"]) not in known]

        rows = await self._console.model.read(query) if text else []
        return self._render(request, "messages/search.html", q=text, rows=rows, recipient=recipient)

    async def message(self, request: web.Request) -> web.Response:
        """The timeline of a message. One that was requested a moment ago may not be known yet."""
        recipient = self._console.read_recipient(require_query(request, "to"))
        id = require_query(request, "id")

        can_operate = get_session(request).can_operate

        def query(connection: Any) -> tuple[Any, ...]:
            message = queries.find_message(connection, recipient, id)
            contents = find_contents(connection, recipient, [id]) if can_operate else {}
            return message, queries.list_events(connection, recipient, id), contents.get(id)

        message, events, content = await self._console.model.read(query)
        return self._render(
            request,
            "messages/message.html",
            to=recipient,
            id=id,
            message=message,
            content=content,
            events=[msgspec.convert(event, StatusEvent) for event in events],
        )

    async def conversation(self, request: web.Request) -> web.Response:
        """What was sent to a recipient, and what was received."""
        recipient = self._console.read_recipient(require_query(request, "to"))
        can_operate = get_session(request).can_operate

        def query(connection: Any) -> tuple[Any, ...]:
            rows = queries.list_conversation(connection, recipient, _CONVERSATION_ROWS)
            sent = [row["id"] for row in rows if row["direction"] == "out"]
            return rows, find_contents(connection, recipient, sent) if can_operate else {}

        rows, contents = await self._console.model.read(query)
        if not can_operate:
            rows = [_hide_texts(row) for row in rows]
        return self._render(
            request, "messages/conversation.html", to=recipient, rows=rows, contents=contents
        )

    async def batches(self, request: web.Request) -> web.Response:
        """The batches with their progress."""
        page_number, offset = read_offset(request)
        page = await self._console.model.read(
            partial(queries.list_batches, limit=PAGE_ROWS, offset=offset)
        )
        return self._render(request, "messages/batches.html", page=page, page_number=page_number)

    async def batch(self, request: web.Request) -> web.Response:
        """One batch with its messages."""
        batch_id = require_query(request, "id")
        page_number, offset = read_offset(request)

        def query(connection: Any) -> tuple[Any, ...]:
            return (
                queries.find_batch(connection, batch_id),
                queries.list_batch_messages(connection, batch_id, PAGE_ROWS, offset),
            )

        batch, page = await self._console.model.read(query)
        return self._render(
            request,
            "messages/batch.html",
            id=batch_id,
            batch=batch,
            page=page,
            page_number=page_number,
        )

    def _find_runbook(self, alert: str) -> str | None:
        """The address of the page about this alert: one of ours, unless another one is set; None: there is none."""
        if url := build_runbook_url(self._console.settings, alert):
            return url
        return build_url("/runbook", alert=alert) if alert in read_pages() else None

    async def runbook(self, request: web.Request) -> web.Response:
        """The page about an alert."""
        alert = require_query(request, "alert")
        if alert not in read_pages():
            raise web.HTTPNotFound(text=f"there is no page about {alert}")
        return self._render(request, "runbook.html", alert=alert, page=render_page(alert))

    async def kafka(self, request: web.Request) -> web.Response:
        """The banner of an open page: whether Kafka answers. 204 if the page shows that already."""
        is_shown = get_query(request, "silent") == "1"
        if is_shown == (self._console.kafka_silent_since_s is not None):
            return web.Response(status=204)
        return self._render(request, "kafka.html")

    def _render(self, request: web.Request, template: str, **values: Any) -> web.Response:
        return render(self._console, request, template, **values)


# What a person may see of a received message without seeing what was written.
_VISIBLE: Final = ("direction", "time_s", "type", "account", "whatsapp_id", "at")


def _hide_texts(row: dict[str, Any]) -> dict[str, Any]:
    if row["direction"] == "out":
        return row
    return {name: row[name] for name in _VISIBLE if name in row} | {"is_hidden": True}
