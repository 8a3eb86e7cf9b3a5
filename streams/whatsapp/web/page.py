"""One page with wa-js and the adapter in it. Makes calls, and does not know what they mean.

wa-js is evaluated once the page's core modules are registered, not at the start of the document:
there, wa-js 4.6.0 may see the loader without the modules and never become ready. No error of
Playwright may leave this file, and no call may be made without a timeout: `page.evaluate` has none.
"""

import time
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Error as PlaywrightError
from playwright.async_api import JSHandle, Page
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from streams.whatsapp.errors import (
    AdapterError,
    PageFailure,
    PageIncomplete,
    PageNavigated,
    WhatsAppUnreachable,
)
from streams.whatsapp.start_timer import StartTimer
from streams.whatsapp.web.browser.launch import Chromium, Timeouts
from streams.whatsapp.web.calls import call_with_timeout, translate_error

_ADAPTER_DIR: Final = Path(__file__).parent / "adapter"
# Must be set before the bundle runs: otherwise wa-js reports to Google and uses the preview servers of
# third parties.
_WA_JS_CONFIG: Final = (
    "window.WPPConfig = {disableGoogleAnalytics: true, linkPreviewApiServers: []}"
)
# wa-js and whatsapp-web.js both know them by these names.
_CORE_MODULES: Final = (
    "WAWebUserPrefsMeUser",
    "WAWebSocketModel",
    "WAWebConnModel",
    "WAWebStreamModel",
    "WAWebMsgCollection",
    "WAWebChatCollection",
)
_MISSING_MODULES_SCRIPT: Final = """(core) => {
  const debug = window.require && window.ErrorGuard ? window.require("__debug") : null;
  const modules = (debug && debug.modulesMap) || {};
  return core.filter((id) => !(id in modules));
}"""
# Answers after `wait_ms` at the latest: a page that loads slowly is not one that hangs.
_WAIT_FOR_MODULES_SCRIPT: Final = f"""([core, wait_ms]) => new Promise((resolve) => {{
  const missing = {_MISSING_MODULES_SCRIPT};
  const end = performance.now() + wait_ms;
  const check = () => {{
    const names = missing(core);
    if (names.length && performance.now() < end) setTimeout(check, 20);
    else resolve(names);
  }};
  check();
}})"""
# Otherwise the document was replaced after wa-js had been put into it (calls.py knows these words).
_REQUIRE_WA_JS: Final = 'if (!window.WPP) throw new Error("the context was destroyed: no wa-js");'
# Not "fully ready": without a connection, a linked page never becomes that.
_WAIT_UNTIL_READY_SCRIPT: Final = f"""(wait_ms) => new Promise((resolve) => {{
  {_REQUIRE_WA_JS}
  const finish = () => resolve(window.WPP.isReady);
  if (window.WPP.isReady) finish();
  else window.WPP.loader.onReady(finish);
  setTimeout(finish, wait_ms);
}})"""


def load_script(name: str) -> str:
    """A file in the folder `adapter`, as an expression: a function."""
    [path] = _ADAPTER_DIR.rglob(f"{name}.js")
    return f"({path.read_text(encoding='utf-8')})"


def _load_adapter() -> str:
    """The files in the folder `adapter` as one expression: a function that returns the adapter."""
    names = {file.stem for file in _ADAPTER_DIR.rglob("*.js")}
    parts = [f"{name}: {load_script(name)}" for name in sorted(names - {"adapter", "diagnosis"})]
    return f"() => {{ {_REQUIRE_WA_JS} return {load_script('adapter')}({{{', '.join(parts)}}}); }}"


_ADAPTER_SCRIPT: Final = _load_adapter()
DIAGNOSIS_SCRIPT: Final = f"() => {load_script('diagnosis')}({load_script('symbols')})()"
_CLOCK_SAMPLES: Final = 3
_CALL_SCRIPT: Final = "(adapter, [name, argument]) => adapter[name](argument)"


class WhatsAppPage:
    """A tab at WhatsApp Web."""

    def __init__(
        self, tab: Page, browser: Chromium, bundle: str, timeouts: Timeouts, timer: StartTimer
    ) -> None:
        self._tab = tab
        self._browser = browser
        self._bundle = bundle
        self._timeouts = timeouts
        self._timer = timer
        self._adapter: JSHandle | None = None
        self._clock_offset_s = 0.0
        self._initial_heap_mb: float | None = None

    async def open(self, url: str) -> None:
        """Go to WhatsApp Web and inject. Raises WhatsAppUnreachable or PageFailure."""
        await self._navigate(
            self._tab.goto(url, wait_until="commit", timeout=self._timeouts.load_s * 1000)
        )
        self._timer.record("page")
        await self.inject()

    async def inject(self) -> None:
        """Put wa-js and the adapter into this document. Raises PageIncomplete or PageFailure."""
        self._adapter = self._initial_heap_mb = None
        await self._wait_for_modules()
        self._timer.record("modules")
        if not await self._evaluate("() => Boolean(window.WPP)", None, self._timeouts.answer_s):
            await self._evaluate(f"() => {{ {_WA_JS_CONFIG} }}", None, self._timeouts.answer_s)
            await self._evaluate(self._bundle, None, self._timeouts.ready_s)
        ready_s, answer_s = self._timeouts.ready_s, self._timeouts.answer_s
        if not await self._evaluate(_WAIT_UNTIL_READY_SCRIPT, ready_s * 1000, ready_s + answer_s):
            raise PageIncomplete("wa-js cannot read the page")
        self._clock_offset_s = await self._measure_clock_offset_s()
        self._adapter = await call_with_timeout(
            self._tab.evaluate_handle(_ADAPTER_SCRIPT), self._timeouts.answer_s
        )
        self._timer.record("wa_js")

    async def _wait_for_modules(self) -> None:
        timeouts, deadline_s = self._timeouts, time.monotonic() + self._timeouts.load_s
        while True:
            wait_s = max(0.0, min(timeouts.heartbeat_s, deadline_s - time.monotonic()))
            names = await self._evaluate(
                _WAIT_FOR_MODULES_SCRIPT, [_CORE_MODULES, wait_s * 1000], wait_s + timeouts.answer_s
            )
            if not names:
                return
            if time.monotonic() >= deadline_s:
                raise PageIncomplete(f"the page never had its modules: {', '.join(names)}")

    async def _measure_clock_offset_s(self) -> float:
        """The document's monotonic clock minus ours; never more than it is, so that no deadline comes late.

        Both run at the same rate, also while the browser is frozen. The document read its clock before the answer
        came, so the difference to the time of the answer is a lower bound; the tightest of a few is taken.
        """
        offsets: list[float] = []
        for _ in range(_CLOCK_SAMPLES):
            page_ms = await self._evaluate("() => performance.now()", None, self._timeouts.answer_s)
            offsets.append(page_ms / 1000 - time.monotonic())
        return max(offsets)

    def to_page_ms(self, at_mono_s: float) -> float:
        """This time of our monotonic clock on that of the document, at the latest."""
        return (at_mono_s + self._clock_offset_s) * 1000

    async def call(self, name: str, argument: object, timeout_s: float) -> dict[str, Any]:
        """Call the adapter. Raises AdapterError for its `ok: false`, PageFailure if there is no result."""
        if self._adapter is None:
            raise PageNavigated("the adapter is not in the page")
        answer = await call_with_timeout(
            self._adapter.evaluate(_CALL_SCRIPT, [name, argument]), timeout_s
        )
        if answer["ok"]:
            return answer
        raise AdapterError(
            str(answer["code"]),
            str(answer["message"]),
            handed_over=bool(answer.get("handed_over")),
            server_code=answer.get("server_code"),
            until_s=answer.get("until_s"),
        )

    async def choose_file(self, name: str, argument: object, path: Path, timeout_s: float) -> None:
        """Choose this file in the input element that the adapter returns. Raises PageFailure.

        The element only gets the path: Chromium reads the file from disk when the page does.
        """
        if self._adapter is None:
            raise PageNavigated("the adapter is not in the page")
        handle = await call_with_timeout(
            self._adapter.evaluate_handle(_CALL_SCRIPT, [name, argument]), timeout_s
        )
        element = handle.as_element()
        assert element is not None, "the adapter returns an input element"
        await call_with_timeout(element.set_input_files(path), timeout_s)
        await call_with_timeout(element.dispose(), timeout_s)

    async def collect_garbage(self) -> tuple[float, float]:
        """Run V8's garbage collector.

        Returns the MB in use after it, and those after the first collection in this document. Raises
        PageFailure.
        """
        timeout_s = self._timeouts.answer_s
        session = await call_with_timeout(self._browser.open_devtools(self._tab), timeout_s)
        await call_with_timeout(session.send("HeapProfiler.collectGarbage"), timeout_s)
        usage = await call_with_timeout(session.send("Runtime.getHeapUsage"), timeout_s)
        await call_with_timeout(session.detach(), timeout_s)
        heap_mb: float = usage["usedSize"] / 1e6
        self._initial_heap_mb = self._initial_heap_mb or heap_mb
        return heap_mb, self._initial_heap_mb

    async def diagnose(self) -> dict[str, Any]:
        """What adapter/diagnosis.js reads in this document, whatever it is. Raises PageFailure."""
        return await self._evaluate(DIAGNOSIS_SCRIPT, None, self._timeouts.answer_s)

    async def close(self) -> None:
        """Close the tab. One that hangs or is already gone ends with the browser."""
        try:
            await call_with_timeout(self._tab.close(), self._timeouts.close_s)
        except PageFailure:
            return

    async def _navigate(self, navigation: Any) -> None:
        self._adapter = None
        try:
            await navigation
        except PlaywrightError as error:
            first_line = error.message.splitlines()[0]
            if "net::" in first_line:
                raise WhatsAppUnreachable(first_line) from error
            if not isinstance(error, PlaywrightTimeoutError):
                raise translate_error(error) from error
            # The network or the page: only a page that hangs does not answer now.
            await self._evaluate("() => true", None, self._timeouts.answer_s)
            raise WhatsAppUnreachable(first_line) from error

    async def _evaluate(self, script: str, argument: object, timeout_s: float) -> Any:
        return await call_with_timeout(self._tab.evaluate(script, argument), timeout_s)
