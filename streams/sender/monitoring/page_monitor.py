"""Notices what WhatsApp's page stops offering, after an update of it, and each interruption of a session.

Both are metrics; the first one is also a log line, and `degraded` on `wa.accounts` has the same names. Sends nothing
and decides nothing.
"""

import logging
from typing import Final

from streams.sender.metrics import Metrics
from streams.whatsapp.driver import Driver, Phase, SessionState

log = logging.getLogger(__name__)

# The groups of adapter/symbols.js. A group with nothing missing is reported too, as 0.
GROUPS: Final = (
    "sending",
    "receipts",
    "session",
    "linking",
    "restrictions",
    "look_ups",
    "incoming",
    "typing",
    "forgetting",
    "resend",
)
# In these phases the page itself has told its state. In the others nothing is known of it.
_PAGE_PHASES: Final = frozenset({Phase.LINKING, Phase.SYNCING, Phase.READY, Phase.RESTRICTED})


class PageMonitor:
    """Compares what the page offers with what it offered before, over all pages of this ownership."""

    def __init__(self, account: str, metrics: Metrics) -> None:
        self._account = account
        self._metrics = metrics
        self._missing: frozenset[str] = frozenset()
        self._is_ready = False
        self._update_metric()

    def update(self, session: SessionState) -> None:
        """The session is in this state. A symbol is `group/name`; the disk, for example, is not one."""
        if self._is_ready and session.phase is not Phase.READY:
            self._metrics.interruptions.inc(session.phase.value)
        self._is_ready = session.phase is Phase.READY
        missing = frozenset(name for name in session.degraded if "/" in name)
        if session.phase not in _PAGE_PHASES or missing == self._missing:
            return
        appeared, disappeared = self._missing - missing, missing - self._missing
        self._missing = missing
        self._update_metric()
        if disappeared:
            log.warning(
                "WhatsApp's page of %s does not offer %s: `wa-streams doctor` says what that means",
                self._account,
                ", ".join(sorted(disappeared)),
            )
        if appeared:
            log.info("WhatsApp's page of %s offers %s", self._account, ", ".join(sorted(appeared)))

    async def record_versions(self, driver: Driver) -> None:
        """Set the metric of the versions, for the page that is ready now."""
        diagnosis = await driver.diagnose()
        document = diagnosis.page.document if diagnosis.page else None
        if document is None:
            return
        versions = (
            document.whatsapp_version,
            document.wa_js_version,
            diagnosis.chromium_version,
        )
        self._metrics.page_info.clear()
        self._metrics.page_info.labels(*(version or "" for version in versions)).set(1)

    def _update_metric(self) -> None:
        for group in GROUPS:
            count = sum(name.startswith(f"{group}/") for name in self._missing)
            self._metrics.page_symbols_missing.labels(group).set(count)
