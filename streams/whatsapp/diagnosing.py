"""Makes the diagnosis of one account's browser, in every state of its page, also without a page.

Nothing here may change the page, or raise: what cannot be read is missing from the diagnosis.
"""

import shutil
from pathlib import Path
from typing import Any, Protocol

import msgspec

from streams.whatsapp.diagnosis import Diagnosis, PageDiagnosis, hide_personal, parse_page
from streams.whatsapp.driver import SessionState
from streams.whatsapp.errors import BrowserError, PageFailure
from streams.whatsapp.install import executable


class DiagnosedPage(Protocol):
    """A page that can be read."""

    async def diagnose(self) -> dict[str, Any]:
        """What adapter/diagnosis.js reads. Raises PageFailure."""
        ...


async def diagnose(
    session: SessionState,
    page: DiagnosedPage | None,
    start_times_s: dict[str, float],
    *,
    profile_dir: Path,
    configured_browser: str | None,
    prefer_shell: bool,
    now_s: float,
) -> Diagnosis:
    """The diagnosis at this moment, which is `now_s`."""
    page_diagnosis, page_error = await _diagnose_page(page)
    return Diagnosis(
        taken_at_s=now_s,
        phase=str(session.phase),
        reason=hide_personal(session.reason),
        phase_since_s=session.since_s,
        until_s=session.until_s,
        degraded=session.degraded,
        chromium_version=await _read_chromium_version(configured_browser, prefer_shell),
        profile_free_mb=_read_free_mb(profile_dir),
        start_times_s=start_times_s,
        page=page_diagnosis,
        page_error=hide_personal(page_error),
    )


async def _diagnose_page(page: DiagnosedPage | None) -> tuple[PageDiagnosis | None, str | None]:
    if page is None:
        return None, "there is no page"
    try:
        return parse_page(await page.diagnose()), None
    except PageFailure as error:
        return None, str(error)
    except msgspec.ValidationError as error:
        return None, f"the page gave something unexpected: {error}"


async def _read_chromium_version(configured: str | None, prefer_shell: bool) -> str | None:
    try:
        program = executable.find_chromium(configured, prefer_shell=prefer_shell)
        return await executable.read_version(program)
    except BrowserError:
        return None


def _read_free_mb(folder: Path) -> float | None:
    """Free disk space for the profile. Without it, WhatsApp's page logs the account out."""
    existing = next((path for path in (folder, *folder.parents) if path.exists()), None)
    return None if existing is None else round(shutil.disk_usage(existing).free / 1e6)
