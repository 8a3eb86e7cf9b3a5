"""WhatsApp Web's address: the document, its scripts, and the WebSocket. Decides nothing of messages.

As on the real site the scripts are fetched after the document, the module loader begins as a stub
that queues, and a policy forbids scripts that carry no nonce as well as `eval`.
"""

import asyncio
import re
import secrets
from pathlib import Path

from aiohttp import web

from streams.sandbox.connection import Connection, Keys, messages
from streams.sandbox.server import Server
from streams.sandbox.tls import HOST

_FOLDER = Path(__file__).parent / "page"
# In this order: a module may come before those it needs, but wa-js takes the first that fits.
_MODULES = (
    "base",
    "ids",
    "constants",
    "session",
    "storage",
    "models",
    "stores",
    "getters",
    "unused",
    "contacts",
    "sending",
    "media",
    "receipts",
    "outbox",
    "wire",
    "screen",
    "start",
)
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'nonce-{nonce}';"
    " style-src 'self' data: blob: 'unsafe-inline'; connect-src 'self' wss://"
    + HOST
    + " data: blob:; img-src 'self' data: blob:; worker-src 'self' blob:;"
    " frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# A page that hangs does not answer a farewell.
_CLOSE_WITHIN_S = 1.0


def bundle() -> str:
    """All modules as the one script that the document asks for."""
    texts = [(_FOLDER / "modules" / f"{name}.js").read_text("utf-8") for name in _MODULES]
    define = (_FOLDER / "define.js").read_text("utf-8")
    return "(() => {\n" + "\n".join([define, *texts]) + "\n})();\n"


class Site:
    """Routes for an aiohttp application."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._document = (_FOLDER / "index.html").read_text("utf-8")
        self._scripts = {
            "loader.js": (_FOLDER / "loader.js").read_text("utf-8"),
            "modules.js": bundle(),
        }

    def application(self) -> web.Application:
        """What answers at WhatsApp Web's address."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self.document),
                web.get("/static/{name}", self.script),
                web.get("/ws/chat", self.chat),
            ]
        )
        return application

    async def document(self, _: web.Request) -> web.Response:
        """The page. One that is never to be ready asks for no modules."""
        nonce = secrets.token_urlsafe(9)
        text = self._document.replace("NONCE", nonce)
        if self._server.faults.take("never_ready", None) is not None:
            text = re.sub(r"<script[^>]*modules\.js[^>]*></script>\n?", "", text)
        policy = {"Content-Security-Policy": _POLICY.format(nonce=nonce)}
        return web.Response(text=text, content_type="text/html", headers=policy)

    async def script(self, request: web.Request) -> web.Response:
        """One of the page's scripts; the modules may come late."""
        name = request.match_info["name"]
        if name not in self._scripts:
            raise web.HTTPNotFound
        if name == "modules.js":
            late_ms = self._server.faults.take("slow_page_ms", None)
            await asyncio.sleep(int(late_ms or 0) / 1000)
        return web.Response(text=self._scripts[name], content_type="text/javascript")

    async def chat(self, request: web.Request) -> web.WebSocketResponse:
        """A page's connection; its first message says who it is."""
        socket = web.WebSocketResponse(max_msg_size=0, timeout=_CLOSE_WITHIN_S)
        await socket.prepare(request)
        said = messages(socket)
        hello = await anext(said, None)
        if hello is None:
            return socket
        page = Connection(socket, Keys(hello["noise"], hello["identity"], hello["adv"]))
        try:
            await self._server.connected(page, hello["linked"])
            async for message in said:
                await self._server.heard(page, message)
        finally:
            self._server.gone(page)
        return socket
