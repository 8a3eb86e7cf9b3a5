"""The pages of what a recipient wants: consent to marketing messages, and to be forgotten.

The dispatcher decides and removes; this only requests it, as the commands `consent` and `forget` do.
"""

import asyncio
from functools import partial
from typing import Any, Final, get_args

from aiohttp import web

from streams.console.model import queries
from streams.console.web.actions import TIMEOUT_S, Form, get_field, make_form_routes
from streams.console.web.console import Console, get_query
from streams.console.web.rendering import PAGE_ROWS, build_url, read_offset, render
from streams.domain.consent.state import ConsentStatus
from streams.operations.consent import read_consents, set_consent
from streams.operations.forgetting.requesting import ForgetProgress, forget

_ANSWER_TIMEOUT_S: Final = (
    TIMEOUT_S - 5.0
)  # so that its own words are shown, not that the form took too long


class RecipientPages:
    """The handlers."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        forms: dict[str, Form] = {"/consents/set": self.set_consent, "/forget": self.forget}
        return [
            web.get("/consents", self.list_consents),
            web.get("/forget", self.show_forget),
            *make_form_routes(self._console, forms),
        ]

    async def list_consents(self, request: web.Request) -> web.Response:
        """The last decision for each recipient that has one; with `to`, for one."""
        page_number, offset = read_offset(request)
        recipient = self._console.read_recipient(get_query(request, "to"))
        async with asyncio.timeout(TIMEOUT_S):
            records = await read_consents(self._console.settings)
        if recipient:
            records = [record for record in records if record.phone == recipient]
        rows = records[offset : offset + PAGE_ROWS]
        return render(
            self._console,
            request,
            "administration/consents.html",
            page=queries.Page([{"record": row} for row in rows], len(records) > offset + PAGE_ROWS),
            page_number=page_number,
            to=recipient,
            opted_out=sum(record.consent == "opted_out" for record in records),
            total=len(records),
        )

    async def set_consent(self, request: web.Request) -> tuple[str, str]:
        """Decide for a recipient, and wait for the dispatcher."""
        consent: Any = get_field(request, "consent")
        if consent not in get_args(ConsentStatus):
            raise web.HTTPBadRequest(text="consent: is not one")
        record = await set_consent(
            self._console.settings, get_field(request, "to"), consent, timeout_s=_ANSWER_TIMEOUT_S
        )
        return f"The recipient has {record.consent.replace('_', ' ')}.", "/consents"

    async def show_forget(self, request: web.Request) -> web.Response:
        """The form; with `to`, what is here of the recipient, and the button that forgets it."""
        recipient = self._console.read_recipient(get_query(request, "to"))
        counts: dict[str, int] = {}
        if recipient:
            count = partial(queries.count_recipient, recipient=recipient)
            counts = await self._console.model.read(count)
        return render(
            self._console, request, "administration/forget.html", to=recipient, counts=counts
        )

    async def forget(self, request: web.Request) -> tuple[str, str]:
        """Forget a recipient. It cannot be undone."""
        to = get_field(request, "to")
        if get_field(request, "confirmation", is_needed=False) != "yes":
            raise web.HTTPBadRequest(text="confirmation: say that you want it")
        progress = await forget(
            self._console.settings,
            to,
            keep_opt_out=get_field(request, "keep_opt_out", is_needed=False) == "yes",
            timeout_s=_ANSWER_TIMEOUT_S,
        )
        return _describe(progress), build_url("/forget")


def _describe(progress: ForgetProgress) -> str:
    if progress.is_complete:
        return "The recipient is forgotten. This console removes what it has within a minute."
    waiting = ", ".join(progress.pending_accounts)
    if not progress.is_removed:
        return "It is being forgotten: what is with a sender ends first. Request it again to see how far it is."
    return f"The dispatcher has forgotten the recipient. These accounts do so when they run: {waiting}."
