"""The control: plain HTTP with JSON, for tests, demos and people. Translates, decides nothing.

    GET /           arguments for a browser, accounts, codes to be scanned
    GET /log        messages so far (`?after=SEQ`; `?event=all`: everything that happened)
    POST /scan      {"qr", "phone"?} or {"pairing_code", "phone"?}
    POST /numbers   {"+60…": {"on_whatsapp": false, "chat_id"?: …}, …}
    POST /inbound   {"from", "to", "body", "reply_to"?}
    POST /read      {"by", "to"}
    POST /faults    see faults.py; DELETE /faults
    POST /reset     a clean world

A wrong request is 400, what is not there 404, what a phone refuses 409: `{"error": "…"}`.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import msgspec
from aiohttp import web

from streams.sandbox.linking import NotLinked
from streams.sandbox.server import Server
from streams.sandbox.state.events import Number
from streams.sandbox.state.faults import WrongFault
from streams.sandbox.state.world import UnknownAccount

_Phone = Annotated[str, msgspec.Meta(pattern=r"^\+[0-9]{5,20}$")]
_STATUS: dict[type[Exception], int] = {
    msgspec.ValidationError: 400,
    msgspec.DecodeError: 400,
    WrongFault: 400,
    UnknownAccount: 404,
    NotLinked: 409,
}


class _Asked(msgspec.Struct, forbid_unknown_fields=True):
    """A request's body."""


class _Scan(_Asked, kw_only=True):
    qr: str | None = None
    pairing_code: str | None = None
    phone: _Phone | None = None


class _Inbound(_Asked, kw_only=True, rename={"from_": "from"}):
    from_: _Phone
    to: _Phone
    body: str
    reply_to: str | None = None


class _Read(_Asked, kw_only=True):
    by: _Phone
    to: _Phone


class Control:
    """Routes for an aiohttp application."""

    def __init__(self, server: Server, browser_args: list[str]) -> None:
        self._server = server
        self._browser_args = browser_args

    def application(self) -> web.Application:
        """What answers on the control's port. A body of a thousand numbers is no attack."""
        application = web.Application(middlewares=[_errors], client_max_size=64 << 20)
        application.add_routes(
            [
                web.get("/", self.overview),
                web.get("/log", self.log),
                web.post("/scan", self.scan),
                web.post("/numbers", self.numbers),
                web.post("/inbound", self.inbound),
                web.post("/read", self.read),
                web.post("/faults", self.faults),
                web.delete("/faults", self.no_faults),
                web.post("/reset", self.reset),
            ]
        )
        return application

    async def overview(self, _: web.Request) -> web.Response:
        """How a browser gets here, and who is here."""
        pages = self._server.pages
        accounts = [
            {"phone": phone, "devices": len(account.devices), "connected": bool(pages.of(phone))}
            for phone, account in sorted(self._server.store.world.accounts.items())
        ]
        codes = [page.qr for page in pages.all() if page.qr]
        return _json(
            {
                "ready": True,
                "browser_args": self._browser_args,
                "accounts": accounts,
                "qr": codes,
            }
        )

    async def log(self, request: web.Request) -> web.Response:
        """Messages in the order of their arrival."""
        after = request.query.get("after", "0")
        if not after.isdecimal():
            raise WrongFault(f"after: needs a seq from 0 on, not {after!r}")
        world = self._server.store.world
        everything = request.query.get("event") == "all"
        return _json(world.history(int(after)) if everything else world.log(int(after)))

    async def scan(self, request: web.Request) -> web.Response:
        """A phone links the page that shows this code."""
        asked = await _body(request, _Scan)
        if (asked.qr is None) == (asked.pairing_code is None):
            raise msgspec.ValidationError("needs either `qr` or `pairing_code`")
        if asked.qr is not None:
            phone = await self._server.linking.scan(asked.qr, asked.phone)
        else:
            phone = await self._server.linking.enter(asked.pairing_code or "", asked.phone)
        return _json({"phone": phone})

    async def numbers(self, request: web.Request) -> web.Response:
        """What look-ups answer."""
        self._server.set_numbers(await _body(request, dict[_Phone, Number]))
        return _json({})

    async def inbound(self, request: web.Request) -> web.Response:
        """Somebody writes to an account."""
        asked = await _body(request, _Inbound)
        whatsapp_id = await self._server.phones.write(
            asked.from_, asked.to, asked.body, asked.reply_to
        )
        return _json({"whatsapp_id": whatsapp_id})

    async def read(self, request: web.Request) -> web.Response:
        """A recipient reads what an account wrote."""
        asked = await _body(request, _Read)
        return _json({"read": await self._server.phones.read(asked.by, asked.to)})

    async def faults(self, request: web.Request) -> web.Response:
        """Something goes wrong from now on."""
        await self._server.bring(self._server.faults.add(await _body(request, dict[str, Any])))
        return _json({})

    async def no_faults(self, _: web.Request) -> web.Response:
        """Nothing goes wrong any more."""
        await self._server.heal()
        return _json({})

    async def reset(self, _: web.Request) -> web.Response:
        """Nothing has happened yet."""
        await self._server.reset()
        return _json({})


async def _body(request: web.Request, type_: Any) -> Any:
    return msgspec.json.decode(await request.read(), type=type_)


def _json(answer: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")


@web.middleware
async def _errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """The one place where our errors become HTTP's."""
    try:
        return await handler(request)
    except tuple(_STATUS) as error:
        status = next(_STATUS[kind] for kind in type(error).__mro__ if kind in _STATUS)
        answer = msgspec.json.encode({"error": f"{request.method} {request.path}: {error}"})
        return web.Response(body=answer, status=status, content_type="application/json")
