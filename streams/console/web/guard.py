"""The middleware that every request passes: host, origin, token, session, form token, and the headers of each answer.

A page needs a session; the API needs a bearer token, and looks at no cookie; probes need WA_WEB_TOKEN if it is set.
"""

import asyncio
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Any, Final
from urllib.parse import quote

from aiohttp import web
from multidict import MultiDictProxy

from streams.console.web.access import (
    Access,
    Role,
    Session,
    get_bearer_token,
    is_cross_site,
    is_foreign_host,
)
from streams.console.web.problems import problem
from streams.observability.probes import has_token

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What a handler finds in its request.
SESSION: Final = web.RequestKey("session", Session)
ROLE: Final = web.RequestKey("role", Role)
FORM: Final = web.RequestKey("form", MultiDictProxy[Any])
MAX_FORM_BYTES: Final = 65_536
_FORM_TIMEOUT_S: Final = 20.0
_PROBES: Final = ("/healthz", "/readyz", "/metrics", "/health/whatsapp")
_FREE_PATHS: Final = ("/login", "/static/")
# They must not take a page away from somebody who fills in a form.
_REFRESHED_PATHS: Final = ("/live", "/kafka")
_HEADERS: Final = {
    # No script and no style in a page: what somebody writes into a name or a text cannot run.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with `no-referrer`, a browser sends a form of ours with `Origin: null`
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def get_cookie_name(request: web.Request) -> str:
    """Cookies know no ports, so two consoles on one host need two names."""
    return f"wa_console_{request.url.port}"


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """What every answer carries."""
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)


class Guard:
    """The checks. `probe_token` is that of the probes."""

    def __init__(self, access: Access, probe_token: str | None) -> None:
        self._access = access
        self._probe_token = probe_token

    def build_middleware(self) -> Any:
        """The middleware of the application."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refusal = self._check_site(request)
            if refusal is not None:
                return refusal
            if request.path in _PROBES:
                return await self._guard_probe(request, handler)
            if is_api(request):
                return await self._guard_api(request, handler)
            if request.path.startswith(_FREE_PATHS):
                return await handler(request)
            return await self._guard_page(request, handler)

        return guard

    def _check_site(self, request: web.Request) -> web.Response | None:
        if self._access.is_open and is_foreign_host(request):
            reason = "use the host 127.0.0.1, or set WA_CONSOLE_OPERATE_TOKEN"
            return _refuse(request, 403, reason)
        if is_cross_site(request):
            return _refuse(request, 403, "the request comes from a page of another site")
        return None

    async def _guard_probe(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if self._probe_token and not has_token(request, self._probe_token):
            return _refuse(request, 401, "send WA_WEB_TOKEN as a bearer token")
        return await handler(request)

    async def _guard_api(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        access = self._access
        token = get_bearer_token(request)
        role = Role.OPERATE if access.is_open else access.find_role(token)
        if role is None and not token:
            return _refuse(
                request, 401, "send a token of the console: `Authorization: Bearer TOKEN`"
            )
        if role is None:
            return _refuse(request, 401, "this token is not one of the console's")
        if request.method == "POST" and role is not Role.OPERATE:
            return _refuse(request, 403, "this needs WA_CONSOLE_OPERATE_TOKEN")
        request[ROLE] = role
        return await handler(request)

    async def _guard_page(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        session = self._access.read_cookie(request.cookies.get(get_cookie_name(request)))
        new_cookie = None
        if session is None and self._access.is_open and request.method == "GET":
            new_cookie = self._access.make_cookie(Role.OPERATE)
            session = self._access.read_cookie(new_cookie)
        if session is None:
            if request.method != "GET" or request.path in _REFRESHED_PATHS:
                return _refuse(request, 401, "your session is over: load the page again")
            return _send_to_login(request)
        request[SESSION] = session
        if request.method == "POST":
            refusal = await _check_form(request, session)
            if refusal is not None:
                return refusal
        response = await handler(request)
        if new_cookie is not None and not response.prepared:
            set_session_cookie(request, response, new_cookie)
        return response


def _send_to_login(request: web.Request) -> web.Response:
    """A part of a page that is loaded again cannot show a login: the whole page goes there instead."""
    target = f"/login?next={quote(request.path_qs, safe='')}"
    if request.headers.get("HX-Request") is not None:
        return web.Response(status=401, headers={"HX-Redirect": target})
    raise web.HTTPSeeOther(target)


def is_api(request: web.Request) -> bool:
    """Whether a program asks, which wants problem documents."""
    return request.path.startswith("/api/") or request.path in _PROBES


async def _check_form(request: web.Request, session: Session) -> web.Response | None:
    """A refusal, unless the form is small, carries the session's token, and its sender may act."""
    if (request.content_length or MAX_FORM_BYTES + 1) > MAX_FORM_BYTES:
        return _refuse(request, 413, "the form is too large")
    async with asyncio.timeout(_FORM_TIMEOUT_S):
        form = await request.post()
    token = form.get("csrf")
    if not isinstance(token, str) or not compare_digest(token.encode(), session.csrf.encode()):
        return _refuse(request, 403, "the form is of another session: load the page again")
    if not session.can_operate and request.path != "/logout":
        return _refuse(request, 403, "this needs WA_CONSOLE_OPERATE_TOKEN")
    request[FORM] = form
    return None


def set_session_cookie(request: web.Request, response: web.StreamResponse, cookie: str) -> None:
    """Give the browser its session. It is lost when the browser is closed."""
    # A proxy says so; whoever lies about it only loses the own cookie.
    is_secure = request.secure or request.headers.get("X-Forwarded-Proto") == "https"
    response.set_cookie(
        get_cookie_name(request), cookie, httponly=True, samesite="Strict", secure=is_secure
    )


def _refuse(request: web.Request, status: int, reason: str) -> web.Response:
    if is_api(request):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
        return problem(status, reason, headers=headers)
    return web.Response(status=status, text=f"{status}: {reason}\n")
