"""WhatsApp Web's address: the document, its scripts, and the WebSocket. No message is decided on here.

As on the real site, the scripts are fetched after the document, the module loader is first a stub
that queues calls, and a policy forbids scripts without a nonce, and `eval`.
"""

import asyncio
import dataclasses
import json
import re
import secrets
from pathlib import Path
from typing import Any

from aiohttp import web

from streams.sandbox.connection import Connection, DeviceKeys, receive_messages
from streams.sandbox.server import Server
from streams.sandbox.tls import HOST

_PAGE_DIR = Path(__file__).parent / "page"
# The order matters: a module may come before those that it needs, but wa-js takes the first match.
_MODULES = (
    "base",
    "messages/ids",
    "constants",
    "session/identity",
    "session/events",
    "session/socket",
    "session/offline",
    "session/comms",
    "session/linking",
    "session/logout",
    "session/failures",
    "session/restrictions",
    "session/mutex",
    "session/storage",
    "messages/models",
    "messages/collections",
    "messages/groups",
    "messages/database",
    "messages/stores",
    "messages/getters",
    "messages/unused",
    "messages/contacts",
    "messages/restoring",
    "messages/sending",
    "messages/addons",
    "messages/media",
    "messages/receipts",
    "contents/inbox",
    "messages/outbox",
    "contents/vcards",
    "contents/edits",
    "contents/revokes",
    "contents/deleting",
    "contents/files",
    "session/screen",
    "session/wire",
)
_CONTENT_SECURITY_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'nonce-{nonce}';"
    " style-src 'self' data: blob: 'unsafe-inline'; connect-src 'self' wss://"
    + HOST
    + " data: blob:; img-src 'self' data: blob:; worker-src 'self' blob:;"
    " frame-ancestors 'none'; require-trusted-types-for 'script'"
)
# A hung page does not answer a close.
_CLOSE_TIMEOUT_S = 1.0


def bundle_modules(settings: dict[str, Any]) -> str:
    """All modules, as the one script that the document loads. The page reads its settings there."""
    texts = [(_PAGE_DIR / "modules" / f"{name}.js").read_text("utf-8") for name in _MODULES]
    define = (_PAGE_DIR / "define.js").read_text("utf-8")
    constants = f"const SETTINGS = {json.dumps(settings)};"
    return "(() => {\n" + "\n".join([constants, define, *texts]) + "\n})();\n"


class Site:
    """Routes for an aiohttp application."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._document = (_PAGE_DIR / "index.html").read_text("utf-8")
        self._loader = (_PAGE_DIR / "loader.js").read_text("utf-8")

    def build_application(self) -> web.Application:
        """The application at WhatsApp Web's address."""
        application = web.Application()
        application.add_routes(
            [
                web.get("/", self.document),
                web.get("/static/loader.js", self.loader),
                web.get("/static/modules.js", self.modules),
                web.get("/status.json", self.status),
                web.get("/ws/chat", self.chat),
                web.post("/mms/upload", self.upload),
                web.get("/mms/download/{whatsapp_id}", self.download),
            ]
        )
        return application

    async def document(self, _: web.Request) -> web.Response:
        """The page. With the fault `never_ready`, it does not load its modules."""
        nonce = secrets.token_urlsafe(9)
        text = self._document.replace("NONCE", nonce)
        if self._server.faults.consume("never_ready", None) is not None:
            text = re.sub(r"<script[^>]*modules\.js[^>]*></script>\n?", "", text)
        policy = {"Content-Security-Policy": _CONTENT_SECURITY_POLICY.format(nonce=nonce)}
        return web.Response(text=text, content_type="text/html", headers=policy)

    async def loader(self, _: web.Request) -> web.Response:
        """The module loader."""
        return web.Response(text=self._loader, content_type="text/javascript")

    async def modules(self, _: web.Request) -> web.Response:
        """The modules. Some faults of the group "a page is loaded" take effect here."""
        consume = self._server.faults.consume
        await asyncio.sleep(int(consume("slow_page_ms", None) or 0) / 1000)
        settings = dataclasses.asdict(self._server.defaults) | {
            "removed": consume("remove_module", None),
            "storage_failure": consume("storage_failure", None) is not None,
            "storage_kept": consume("storage_kept", None) is not None,
            "qr_form": consume("qr_form", None) or 1,
        }
        return web.Response(text=bundle_modules(settings), content_type="text/javascript")

    async def status(self, request: web.Request) -> web.Response:
        """The file with which a page finds out whether it is online. Any answer means that it is."""
        if self._server.sessions.outages.is_network_down() and request.transport is not None:
            request.transport.abort()
        return web.json_response({})

    async def upload(self, request: web.Request) -> web.Response:
        """A page uploads a file. Only its description comes here, not its bytes."""
        if self._server.sessions.outages.is_network_down() and request.transport is not None:
            request.transport.abort()
        status = await self._server.messages.receive_upload(await request.json())
        answer = {"directPath": f"/v/t62/{secrets.token_hex(8)}"} if status == 200 else {}
        return web.json_response(answer, status=status)

    async def download(self, request: web.Request) -> web.Response:
        """A page downloads a file that somebody sent to it."""
        status, data = self._server.phones.serve_file(request.match_info["whatsapp_id"])
        return web.Response(body=data, status=status, content_type="application/octet-stream")

    async def chat(self, request: web.Request) -> web.WebSocketResponse:
        """A page's connection. Its first message is the hello."""
        socket = web.WebSocketResponse(max_msg_size=0, timeout=_CLOSE_TIMEOUT_S)
        await socket.prepare(request)
        incoming = receive_messages(socket)
        hello = await anext(incoming, None)
        if hello is None:
            return socket
        page = Connection(socket, DeviceKeys(hello["noise"], hello["identity"], hello["adv"]))
        try:
            await self._server.sessions.on_connect(page, hello["linked"])
            async for message in incoming:
                await self._server.on_message(page, message)
        finally:
            self._server.sessions.on_disconnect(page)
        return socket
