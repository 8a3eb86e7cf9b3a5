"""The page of a report: what became of the messages of a time. `operations/reports` reads and counts.

A report reads the topic in other processes and takes seconds, so one is made at a time, in the background, and its
page loads itself again until it is there. Results are kept for a few minutes, and errors for a moment.

The console's memory is limited, and every person who may see its pages can ask for a report: it is read by one process,
in small pieces, and not if there are too many events. A page of another site cannot begin one.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from aiohttp import web

from streams.console.web.access import is_from_other_site
from streams.console.web.console import Console, get_query
from streams.console.web.problems import EXPECTED_ERRORS, describe
from streams.console.web.rendering import add_templates, render
from streams.settings import Settings
from streams.system.tasks import cancel_tasks

if TYPE_CHECKING:
    from streams.operations.reports.report import Report

log = logging.getLogger(__name__)

SPANS_S: Final = {"1h": 3600.0, "24h": 86_400.0, "7d": 7 * 86_400.0, "30d": 30 * 86_400.0}
DIMENSIONS: Final = ("account", "template", "batch", "hour", "country")
_KEEP_S: Final = 300.0
_KEEP_ERROR_S: Final = (
    30.0  # until each page that waits has shown it; then the next request tries again
)
_MAX_KEPT: Final = 20
_WAIT_S: Final = 1.5  # for a report that is soon done: then no page has to load itself again
# Twice as many take 455 MB in both processes (benchmarks/README.md); the examples for systemd and Kubernetes give 512.
_MAX_EVENTS: Final = 500_000
_FETCH_BYTES: Final = 1 << 18
_FAILED: Final = (
    "The report could not be made, because of a mistake in the program: see the console's log."
)
_MISSING: Final = "The console needs another package for reports: pip install 'wa-streams[report]'"


class Query(NamedTuple):
    """What a person chose."""

    span: str
    by: str


class _Result(NamedTuple):
    made_s: float
    report: "Report | None"
    error: str | None

    @property
    def is_current(self) -> bool:
        """Whether it is shown, and the report not made again."""
        keep_s = _KEEP_S if self.error is None else _KEEP_ERROR_S
        return time.monotonic() - self.made_s < keep_s


class ReportRunner:
    """The one report that this console makes at a time. `on_change` is called when it has progressed."""

    def __init__(
        self, settings: Settings, now_s: Callable[[], float], on_change: Callable[[], None]
    ) -> None:
        self._settings = settings
        self._now_s = now_s
        self._on_change = on_change
        self._results: OrderedDict[Query, _Result] = OrderedDict()
        self._task: asyncio.Task[None] | None = None
        self.fraction = 0.0  # of the report that is being made

    def find(self, query: Query) -> _Result | None:
        """The result, if there is one already."""
        result = self._results.get(query)
        return result if result is not None and result.is_current else None

    async def get(self, query: Query) -> _Result | None:
        """The result, if there is one soon; else it is being made, after another one perhaps."""
        result = self.find(query)
        if result is not None:
            return result
        if self._task is None or self._task.done():
            self.fraction = 0.0
            self._results.pop(query, None)
            self._task = asyncio.create_task(self._run(query))
        await asyncio.wait([self._task], timeout=_WAIT_S)
        return self.find(query)

    async def stop(self) -> None:
        """Give up the report that is being made."""
        if self._task is not None:
            await cancel_tasks(self._task)

    async def _run(self, query: Query) -> None:
        report, error = None, None
        try:
            report = await self._make(query)
        except EXPECTED_ERRORS as failure:
            error = describe(failure)
            log.warning("a report could not be made: %s", error)
        except ModuleNotFoundError:
            error = _MISSING
        except Exception:  # without a result, its page would begin it again and again
            log.exception("a report could not be made")
            error = _FAILED
        self._results[query] = _Result(time.monotonic(), report, error)
        while len(self._results) > _MAX_KEPT:
            self._results.popitem(last=False)
        self._on_change()

    async def _make(self, query: Query) -> "Report":
        from streams.operations.reports.reading import Limits  # needs numpy
        from streams.operations.reports.report import ReportQuery, make_report

        def show(fraction: float) -> None:
            self.fraction = fraction
            self._on_change()

        by: Any = query.by or None
        since_s = self._now_s() - SPANS_S[query.span]
        limits = Limits(max_processes=1, max_records=_MAX_EVENTS, fetch_bytes=_FETCH_BYTES)
        return await make_report(self._settings, ReportQuery(since_s=since_s, by=by), show, limits)


class ReportPages:
    """The handlers."""

    def __init__(self, console: Console, runner: ReportRunner) -> None:
        self._console = console
        self._runner = runner

    def routes(self) -> list[web.RouteDef]:
        """The routes and their handlers."""
        return [web.get("/report", self.show)]

    async def show(self, request: web.Request) -> web.Response:
        """The form, and the report that it asks for, or how far that is."""
        query = Query(get_query(request, "since"), get_query(request, "by"))
        if query.span not in ("", *SPANS_S) or query.by not in ("", *DIMENSIONS):
            raise web.HTTPBadRequest(text="since, by: choose one of the form")
        may_begin = bool(query.span) and not is_from_other_site(request)
        result = await self._runner.get(query) if may_begin else self._runner.find(query)
        values: dict[str, Any] = {}
        if result is not None and result.report is not None:
            from streams.operations.reports import rendering

            add_templates(rendering.TEMPLATE_DIR, rendering.FILTERS)
            values = rendering.build_values(result.report)
        return render(
            self._console,
            request,
            "administration/report.html",
            spans=tuple(SPANS_S),
            dimensions=DIMENSIONS,
            query=query,
            may_begin=may_begin,
            result=result,
            fraction=self._runner.fraction,
            values=values,
        )
