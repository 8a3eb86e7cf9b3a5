"""The pages of dead letters: the list with its filter, one letter, the plan of a replay, and the replay itself."""

import asyncio
import logging
from functools import partial
from typing import Any, Final

from aiohttp import web

from streams.console.model import letters
from streams.console.web.actions import TIMEOUT_S, get_field
from streams.console.web.console import Console, Notice, get_query, get_session, require_query
from streams.console.web.guard import FORM
from streams.console.web.problems import EXPECTED_ERRORS, describe
from streams.console.web.rendering import PAGE_ROWS, read_offset, render
from streams.console.web.replays import ReplayRunner
from streams.contract.timestamps import format_rfc3339, parse_rfc3339
from streams.domain.errors import CODES
from streams.operations import dead_letters as operations
from streams.operations.selection import DeadLetterFilter

log = logging.getLogger(__name__)

# The fields of the filter, in the page and in its address.
FIELDS: Final = ("to", "batch_id", "reason", "error_class", "account", "since", "until")
MAX_IDS: Final = 500


class DeadLetterPages:
    """The handlers."""

    def __init__(self, console: Console, replays: ReplayRunner) -> None:
        self._console = console
        self._replays = replays

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        return [
            web.get("/dead-letters", self.list),
            web.get("/dead-letter", self.show),
            web.post("/dead-letters/plan", self.plan),
            web.post("/dead-letters/replay", self.replay),
            web.post("/dead-letters/stop", self.stop),
            web.post("/dead-letters/purge-plan", self.plan_purge),
            web.post("/dead-letters/purge", self.purge),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """The dead letters that match the filter, the newest first."""
        page_number, offset = read_offset(request)
        fields = {name: get_query(request, name) for name in FIELDS}
        conditions = self._read_conditions(fields)
        page = await self._console.model.read(
            partial(
                letters.list_dead_letters, conditions=conditions, limit=PAGE_ROWS, offset=offset
            )
        )
        return render(
            self._console,
            request,
            "dead_letters/list.html",
            page=page,
            page_number=page_number,
            fields=fields,
            codes=sorted(CODES),
            progress=self._replays.progress,
        )

    async def show(self, request: web.Request) -> web.Response:
        """One dead letter with its payload."""
        id = require_query(request, "id")
        letter = await self._console.model.read(partial(letters.find_dead_letter, id=id))
        if letter is None:
            raise web.HTTPNotFound(text="there is no such dead letter, or it was purged")
        return render(self._console, request, "dead_letters/letter.html", letter=letter)

    async def plan(self, request: web.Request) -> web.Response:
        """What a replay would publish, and what it refuses: nothing is published."""
        try:
            letter_filter = self._read_filter(request)
            async with asyncio.timeout(TIMEOUT_S):
                plan = await self._replays.plan(letter_filter, allow_unknown=_is_forced(request))
        except EXPECTED_ERRORS as error:
            return self._show_list(request, describe(error))
        fields = {name: get_field(request, name, is_needed=False) for name in FIELDS}
        # Between the plan and the replay, more may fail: only what was planned is replayed.
        fields["until"] = fields["until"] or format_rfc3339(self._console.now_s())
        return render(
            self._console,
            request,
            "dead_letters/plan.html",
            plan=plan,
            fields=fields,
            ids=letter_filter.ids,
            is_forced=_is_forced(request),
        )

    async def replay(self, request: web.Request) -> web.Response:
        """Begin the replay of what was planned."""
        log.info("a person replays dead letters in the console")
        is_forced = _is_forced(request)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                plan = await self._replays.plan(self._read_filter(request), allow_unknown=is_forced)
            self._replays.start(plan.accepted, is_forced=is_forced)
        except EXPECTED_ERRORS as error:
            return self._show_list(request, describe(error))
        return self._show_list(request, f"{len(plan.accepted)} are replayed.", is_error=False)

    async def stop(self, request: web.Request) -> web.Response:
        """Stop the replay."""
        await self._replays.stop()
        return self._show_list(request, "The replay is stopped.", is_error=False)

    async def plan_purge(self, request: web.Request) -> web.Response:
        """How many dead letters a purge would delete: nothing is deleted."""
        before = get_field(request, "before", is_needed=False)
        # Between this page and the purge, more may fail: they stay.
        before_s = _read_time("before", before) if before else self._console.now_s()
        try:
            async with asyncio.timeout(TIMEOUT_S):
                count = await operations.purge(self._console.settings, before_s, is_dry_run=True)
        except EXPECTED_ERRORS as error:
            return self._show_list(request, describe(error))
        return render(
            self._console,
            request,
            "dead_letters/purge.html",
            count=count,
            before=format_rfc3339(before_s),
        )

    async def purge(self, request: web.Request) -> web.Response:
        """Delete what was written before this time. It cannot be undone."""
        before_s = _read_time("before", get_field(request, "before"))
        log.warning("a person purges dead letters in the console")
        try:
            async with asyncio.timeout(TIMEOUT_S):
                count = await operations.purge(self._console.settings, before_s, is_dry_run=False)
        except EXPECTED_ERRORS as error:
            return self._show_list(request, describe(error))
        text = f"{count} are deleted. The list shows it within a minute."
        return self._show_list(request, text, is_error=False)

    def _show_list(self, request: web.Request, text: str, *, is_error: bool = True) -> web.Response:
        self._console.notices.put(get_session(request).id, Notice(text, is_error))
        raise web.HTTPSeeOther("/dead-letters")

    def _read_conditions(self, fields: dict[str, str]) -> dict[str, Any]:
        conditions: dict[str, Any] = {
            name: fields[name]
            for name in ("batch_id", "reason", "error_class", "account")
            if fields[name]
        }
        if fields["to"]:
            conditions["to"] = self._console.read_recipient(fields["to"])
        for name in ("since", "until"):
            if fields[name]:
                conditions[f"{name}_s"] = _read_time(name, fields[name])
        return conditions

    def _read_filter(self, request: web.Request) -> DeadLetterFilter:
        """The selected ids; without any, what matches the fields, of which one must be given or `all`."""
        ids = [id for id in request[FORM].getall("ids", []) if isinstance(id, str)]
        if len(ids) > MAX_IDS:
            raise web.HTTPBadRequest(text="ids: are too many")
        if get_field(request, "scope") == "selected":
            if not ids:
                raise web.HTTPBadRequest(text="ids: select at least one dead letter")
            return DeadLetterFilter(ids=tuple(ids))
        fields = {name: get_field(request, name, is_needed=False) for name in FIELDS}
        return DeadLetterFilter(**self._read_conditions(fields))


def _is_forced(request: web.Request) -> bool:
    return get_field(request, "force", is_needed=False) == "yes"


def _read_time(name: str, text: str) -> float:
    """A time of the filter, in UTC: RFC 3339, or what a browser's field gives (`2026-11-27T17:20`)."""
    try:
        return parse_rfc3339(text if text[-1:] == "Z" or "+" in text else f"{text}Z")
    except ValueError:
        raise web.HTTPBadRequest(text=f"{name}: is not a time") from None
