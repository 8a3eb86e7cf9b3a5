"""The control interface: HTTP with JSON, for tests, demos and people. It may only translate.

    GET /           arguments for a browser, accounts, QR codes to scan
    GET /log        messages so far (`?after=SEQ`; `?event=all`: every event)
    POST /scan      {"qr", "phone"?} or {"pairing_code", "phone"?}
    POST /numbers   {"+60…": {"on_whatsapp": false, "chat_id"?: …}, …}
    POST /inbound   see inbound.py
    POST /read      {"by", "to", "group"?}
    POST /groups    {"id"?, "subject"?, "members", "admins"?, "admins_only"?}: its members from now on
    POST /faults    see state/faults.py; DELETE /faults
    POST /reset     a clean world

Errors are `{"error": "…"}`: 400 for a request that is not valid, 404 for an unknown account, 409 if
the phone refuses. client.py is the client.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web

from streams.sandbox.inbound import InboundBody, Phone, make_inbound
from streams.sandbox.linking import LinkingRefused
from streams.sandbox.server import Server
from streams.sandbox.state.events import NumberLookup
from streams.sandbox.state.faults import InvalidFault
from streams.sandbox.state.world import UnknownAccount

_HTTP_STATUS: dict[type[Exception], int] = {
    msgspec.ValidationError: 400,
    msgspec.DecodeError: 400,
    InvalidFault: 400,
    UnknownAccount: 404,
    LinkingRefused: 409,
}


class _RequestBody(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request."""


class _ScanBody(_RequestBody, kw_only=True):
    qr: str | None = None
    pairing_code: str | None = None
    phone: Phone | None = None


class _ReadBody(_RequestBody, kw_only=True):
    by: Phone
    to: Phone
    group: str | None = None


class _GroupBody(_RequestBody, kw_only=True):
    members: list[Phone]
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9]+(-[0-9]+)?@g\.us$")] | None = None
    subject: str = "Group"
    admins: list[Phone] = []
    admins_only: bool = False


class Control:
    """Routes for an aiohttp application."""

    def __init__(self, server: Server, browser_args: list[str]) -> None:
        self._server = server
        self._browser_args = browser_args

    def build_application(self) -> web.Application:
        """The application of the control port. Large bodies are allowed: thousands of numbers are normal."""
        application = web.Application(middlewares=[_handle_errors], client_max_size=64 << 20)
        application.add_routes(
            [
                web.get("/", self.overview),
                web.get("/log", self.log),
                web.post("/scan", self.scan),
                web.post("/numbers", self.numbers),
                web.post("/inbound", self.inbound),
                web.post("/read", self.read),
                web.post("/groups", self.change_group),
                web.post("/faults", self.faults),
                web.delete("/faults", self.clear_faults),
                web.post("/reset", self.reset),
            ]
        )
        return application

    async def overview(self, _: web.Request) -> web.Response:
        """How a browser gets here, the accounts, and the QR codes to scan."""
        pages = self._server.pages
        accounts = [
            {
                "phone": phone,
                "devices": len(account.devices),
                "connected": bool(pages.of_account(phone)),
            }
            for phone, account in sorted(self._server.store.world.accounts.items())
        ]
        codes = [page.qr for page in pages.all() if page.qr]
        return _json_response(
            {
                "ready": True,
                "browser_args": self._browser_args,
                "accounts": accounts,
                "qr": codes,
            }
        )

    async def log(self, request: web.Request) -> web.Response:
        """The messages, or every event, in the order of arrival."""
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise InvalidFault(f"after: needs a seq of 0 or more, not {after!r}")
        world = self._server.store.world
        all_events = request.query.get("event") == "all"
        return _json_response(
            world.events_after(int(after)) if all_events else world.messages_after(int(after))
        )

    async def scan(self, request: web.Request) -> web.Response:
        """A phone links the page that shows this code."""
        body = await _read_body(request, _ScanBody)
        if (body.qr is None) == (body.pairing_code is None):
            raise msgspec.ValidationError("needs either `qr` or `pairing_code`")
        if body.qr is not None:
            phone = await self._server.linking.scan(body.qr, body.phone)
        else:
            phone = await self._server.linking.enter_pairing_code(
                body.pairing_code or "", body.phone
            )
        return _json_response({"phone": phone})

    async def numbers(self, request: web.Request) -> web.Response:
        """Set what look-ups answer."""
        self._server.set_numbers(await _read_body(request, dict[Phone, NumberLookup]))
        return _json_response({})

    async def inbound(self, request: web.Request) -> web.Response:
        """Somebody writes to an account."""
        inbound = make_inbound(await _read_body(request, InboundBody))
        whatsapp_id = await self._server.phones.write_to_account(inbound)
        return _json_response({"whatsapp_id": whatsapp_id})

    async def read(self, request: web.Request) -> web.Response:
        """A recipient reads all messages of an account: those to itself, or those in a group."""
        body = await _read_body(request, _ReadBody)
        if body.group is not None:
            count = await self._server.groups.read_messages(body.by, body.to, body.group)
        else:
            count = await self._server.phones.read_messages(body.by, body.to)
        return _json_response({"read": count})

    async def change_group(self, request: web.Request) -> web.Response:
        """Make a group, or change it. Whoever is not among the members has left it, or was never in it."""
        body = await _read_body(request, _GroupBody)
        group_id = await self._server.groups.change(
            body.id, body.subject, body.members, body.admins, admins_only=body.admins_only
        )
        return _json_response({"id": group_id})

    async def faults(self, request: web.Request) -> web.Response:
        """Add faults."""
        faults = self._server.faults.add(await _read_body(request, dict[str, Any]))
        await self._server.sessions.apply(faults)
        return _json_response({})

    async def clear_faults(self, _: web.Request) -> web.Response:
        """Remove all faults."""
        await self._server.sessions.clear_faults()
        return _json_response({})

    async def reset(self, _: web.Request) -> web.Response:
        """Start again with a clean world."""
        await self._server.reset()
        return _json_response({})


async def _read_body(request: web.Request, type_: Any) -> Any:
    return msgspec.json.decode(await request.read(), type=type_)


def _json_response(answer: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


@web.middleware
async def _handle_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The only place that maps our errors to HTTP statuses."""
    try:
        return await handler(request)
    except tuple(_HTTP_STATUS) as error:
        status = next(_HTTP_STATUS[kind] for kind in type(error).__mro__ if kind in _HTTP_STATUS)
        answer = msgspec.json.encode({"error": f"{request.method} {request.path}: {error}"})
        return web.Response(body=answer, status=status, content_type="application/json")
