"""The forms: what a person does. Each one is a verb of `streams/operations`, and ends on a page with its result.

A form is accepted only with the token of its session (guard.py). Each action is one log line, without numbers.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from aiohttp import web

from streams.client.requests import RequestInvalid, RequestOptions, build_request, encode_cancel
from streams.console.web.console import Console, Notice, get_session
from streams.console.web.guard import FORM
from streams.console.web.problems import EXPECTED_ERRORS, describe
from streams.console.web.rendering import build_url
from streams.domain.accounts.requests import RequestedState
from streams.operations import account_requests
from streams.operations.accounts import require_existing
from streams.operations.linking import link as linking

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 30.0
_LINK_TIMEOUT_S: Final = 600.0
_STATES: Final[dict[str, RequestedState]] = {
    "pause": "paused",
    "resume": "active",
    "logout": "logged_out",
    "remove": "removed",
}
_DONE: Final = {
    "pause": "{} is to be paused.",
    "resume": "{} is to be resumed.",
    "logout": "{} is to be logged out.",
    "remove": "{} is removed. Stop its sender, and take it out of WA_ACCOUNTS.",
}

# Returns a text, and the page that shows it.
Form = Callable[[web.Request], Awaitable[tuple[str, str]]]


class Actions:
    """The handlers. Each returns a text and the page that follows."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        forms: dict[str, Form] = {
            "/accounts/add": self.add_account,
            "/accounts/request": self.request_state,
            "/accounts/link": self.link_account,
            "/queue/cancel": self.cancel,
            "/send": self.send,
        }
        return make_form_routes(self._console, forms)

    # -- accounts

    async def add_account(self, request: web.Request) -> tuple[str, str]:
        """There is an account of this name."""
        name = get_field(request, "name")
        await account_requests.add_account(self._console.settings, name)
        text = f"{name} is an account now. Start its sender, and add it to WA_ACCOUNTS."
        return text, "/accounts"

    async def request_state(self, request: web.Request) -> tuple[str, str]:
        """Pause, resume, log out or remove an account."""
        name, verb = get_field(request, "name"), get_field(request, "verb")
        if verb not in _STATES:
            raise web.HTTPBadRequest(text="verb: is not one")
        await account_requests.request_state(self._console.settings, name, _STATES[verb])
        target = "/accounts" if verb == "remove" else build_url("/account", name=name)
        return _DONE[verb].format(name), target

    async def link_account(self, request: web.Request) -> tuple[str, str]:
        """A person waits to link the account: by QR code, or by a code for this phone."""
        name, phone = get_field(request, "name"), get_field(request, "phone", is_needed=False)
        await require_existing(self._console.settings, name)
        await linking.request_link(
            self._console.settings, name, timeout_s=_LINK_TIMEOUT_S, pairing_phone=phone or None
        )
        text = "The code appears here as soon as the sender has it, for ten minutes."
        return text, build_url("/account", name=name)

    # -- messages

    async def cancel(self, request: web.Request) -> tuple[str, str]:
        """Cancel one message, everything that waits for a recipient, or a batch."""
        to, id, batch_id = (
            get_field(request, name, is_needed=False) or None for name in ("to", "id", "batch_id")
        )
        cancel = encode_cancel(to, id, batch_id, None)
        await self._console.producer.produce(cancel)
        return "Kafka has the cancel. What still waits ends as cancelled.", _get_page(request)

    async def send(self, request: web.Request) -> tuple[str, str]:
        """Send a test message. The form has its id, so a form that is sent twice sends one message."""
        to, text = get_field(request, "to"), get_field(request, "text")
        account = get_field(request, "account", is_needed=False)
        options: RequestOptions = {"account": account} if account else {}
        message = build_request(to, text, get_field(request, "id"), options)
        await self._console.producer.produce(message)
        target = build_url("/message", to=self._console.read_recipient(to), id=message.id)
        return "Kafka has the request.", target


def make_form_routes(console: Console, forms: Mapping[str, Form]) -> list[web.RouteDef]:
    """A route for each form, by its path."""
    return [web.post(path, _make_form_handler(console, form)) for path, form in forms.items()]


def _make_form_handler(
    console: Console, form: Form
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler that carries out a form, and leads to the page with its result; after an error, back to its page."""

    async def run(request: web.Request) -> tuple[Notice, str]:
        log.info("a person uses the console: %s", request.path)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                text, target = await form(request)
        except (*EXPECTED_ERRORS, RequestInvalid) as error:
            return Notice(describe(error), is_error=True), _get_page(request)
        return Notice(text), target

    async def handle(request: web.Request) -> web.Response:
        notice, target = await run(request)
        console.notices.put(get_session(request).id, notice)
        raise web.HTTPSeeOther(target)

    return handle


def get_field(request: web.Request, name: str, *, is_needed: bool = True) -> str:
    """A text field of the form.

    Raises:
        HTTPBadRequest: it is missing, or a file.
    """
    value: Any = request[FORM].get(name, "")
    if not isinstance(value, str) or (is_needed and not value.strip()):
        raise web.HTTPBadRequest(text=f"{name}: is missing")
    return value.strip()


def _get_page(request: web.Request) -> str:
    """The page of the form, which it names itself; only a page of ours."""
    page = get_field(request, "page", is_needed=False)
    is_ours = page.startswith("/") and not page.startswith(("//", "/\\")) and page.isprintable()
    return page if is_ours else "/"
