"""Puts the pages, the API and the probes into one application. Starts nothing."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

from aiohttp import web

from streams.console.web.access import Role
from streams.console.web.actions import Actions
from streams.console.web.administration.recipients import RecipientPages
from streams.console.web.administration.reports import ReportPages, ReportRunner
from streams.console.web.administration.templates import TemplatePages
from streams.console.web.api.description import Description
from streams.console.web.api.messages import MAX_BODY_BYTES, Api
from streams.console.web.api.uploads import Uploads
from streams.console.web.console import Console, get_query
from streams.console.web.dead_letters import DeadLetterPages
from streams.console.web.guard import (
    MAX_FORM_BYTES,
    Guard,
    add_headers,
    get_cookie_name,
    is_api,
    set_session_cookie,
)
from streams.console.web.pages import Pages
from streams.console.web.problems import EXPECTED_ERRORS, describe, get_status, problem
from streams.console.web.rendering import STATIC_DIR, render, render_plain
from streams.console.web.replays import ReplayRunner
from streams.observability.http_server import CannotListen
from streams.observability.probes import Probes
from streams.settings import Settings
from streams.system.network import is_loopback

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def require_token(settings: Settings) -> None:
    """Raises CannotListen if the console can be reached from elsewhere, and needs no token."""
    has_token = settings.console_view_token or settings.console_operate_token
    if not has_token and not is_loopback(settings.web_host):
        raise CannotListen(
            f"WA_WEB_HOST={settings.web_host}: is not loopback; set WA_CONSOLE_OPERATE_TOKEN or "
            "WA_CONSOLE_VIEW_TOKEN too, or listen on 127.0.0.1"
        )


def build_application(
    console: Console, replays: ReplayRunner, reports: ReportRunner, probes: Probes
) -> web.Application:
    """The application, with its access."""
    guard = Guard(console.access, console.settings.web_token).build_middleware()
    application = web.Application(
        middlewares=[_explain_errors, guard], client_max_size=MAX_BODY_BYTES
    )
    application.on_response_prepare.append(add_headers)
    entrance = _Entrance(console)
    application.add_routes(
        [
            *probes.routes(),
            *Pages(console).routes(),
            *Actions(console).routes(),
            *DeadLetterPages(console, replays).routes(),
            *ReportPages(console, reports).routes(),
            *RecipientPages(console).routes(),
            *TemplatePages(console).routes(),
            *Api(console).routes(),
            *Uploads(console).routes(),
            *Description().routes(),
            web.get("/live", console.changes.handle),
            web.get("/send", entrance.show_form),
            web.get("/login", entrance.show_login),
            web.post("/login", entrance.log_in),
            web.post("/logout", entrance.log_out),
            web.static("/static", STATIC_DIR),
        ]
    )
    return application


@web.middleware
async def _explain_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """An error becomes a page, or a problem document for a program."""
    try:
        return await handler(request)
    except web.HTTPException as error:
        if error.status < 400:
            raise
        status, reason = error.status, error.text or error.reason
        if status == 404 and request.match_info.http_exception is not None and is_api(request):
            reason = "there is no such path: /api/openapi.json describes those that there are"
    except EXPECTED_ERRORS as error:
        status, reason = get_status(error), describe(error)
    if is_api(request):
        return problem(status, reason)
    return render_plain(request, "error.html", status=status, code=status, reason=reason)


class _Entrance:
    """The login, the logout, and the form of a test message."""

    def __init__(self, console: Console) -> None:
        self._console = console

    async def show_form(self, request: web.Request) -> web.Response:
        """The form of a test message. It has an id of its own, so that sending it twice sends one message."""
        id = get_query(request, "id") or f"console-{uuid4().hex[:12]}"
        return render(
            self._console,
            request,
            "messages/send.html",
            id=id,
            to=get_query(request, "to"),
            accounts=self._console.accounts.list(),
        )

    async def show_login(self, request: web.Request) -> web.Response:
        """The form for a token."""
        return self._show_login(request, get_query(request, "next"))

    def _show_login(
        self, request: web.Request, target: str, error: str = "", status: int = 200
    ) -> web.Response:
        return render_plain(
            request, "login.html", status=status, error=error, target=_make_local(target)
        )

    async def log_in(self, request: web.Request) -> web.Response:
        """Begin a session with the role of the token."""
        if (request.content_length or MAX_FORM_BYTES + 1) > MAX_FORM_BYTES:
            raise web.HTTPRequestEntityTooLarge(MAX_FORM_BYTES, request.content_length or 0)
        form = await request.post()
        target, role = str(form.get("next", "")), self._find_role(request, form)
        if role is None:
            return self._show_login(request, target, "This token is not accepted.", 403)
        response = web.HTTPSeeOther(_make_local(target))
        set_session_cookie(request, response, self._console.access.make_cookie(role))
        raise response

    def _find_role(self, request: web.Request, form: Any) -> Role | None:
        access = self._console.access
        if access.is_open:
            return Role.OPERATE
        return access.log_in(str(form.get("token", "")).strip(), request.remote or "")

    async def log_out(self, request: web.Request) -> web.Response:
        """End the session in this browser."""
        response = web.HTTPSeeOther("/login")
        response.del_cookie(get_cookie_name(request))
        raise response


def _make_local(target: str) -> str:
    """A page of ours: an address elsewhere would let a stranger use our name."""
    is_ours = target.startswith("/") and not target.startswith(("//", "/\\"))
    return target if is_ours and target.isprintable() else "/"
