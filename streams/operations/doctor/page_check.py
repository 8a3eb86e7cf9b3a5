"""Whether WhatsApp's page opens in the browser and offers what wa-js needs. Links no account, sends nothing."""

import asyncio
import tempfile
from pathlib import Path

import msgspec

from streams.operations.doctor.checks import Check
from streams.settings import Settings
from streams.whatsapp.driver import Phase, SessionState
from streams.whatsapp.errors import BrowserError
from streams.whatsapp.web.browser.launch import BrowserConfig
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb

_PAGE_TIMEOUT_S = 60.0
_UNREACHABLE = "whatsapp_unreachable"


async def check_whatsapp_page(settings: Settings) -> Check:
    """Check the real page. An unreachable one is not an error: the demo and the tests do without it."""
    check = await check_page(settings, f"page {settings.whatsapp_url}")
    return msgspec.structs.replace(check, required=check.ok or check.detail != _UNREACHABLE)


async def check_page(settings: Settings, name: str) -> Check:
    """Open the page in a new profile, which is deleted afterwards, and check what it offers."""
    with tempfile.TemporaryDirectory(prefix="wa-doctor-") as folder:
        config = BrowserConfig(
            profile_dir=Path(folder) / "profile",
            executable=settings.browser_executable,
            bundle=settings.whatsapp_bundle,
            extra_args=settings.whatsapp_browser_args,
            whatsapp_url=settings.whatsapp_url,
        )
        driver = WhatsAppWeb(config)
        try:
            await driver.start()
            async with asyncio.timeout(_PAGE_TIMEOUT_S):
                return _judge_session(name, await _wait_for_phase(driver))
        except BrowserError as error:
            return Check(name, False, "could not be opened", str(error))
        except TimeoutError:
            detail = f"shows no QR code within {_PAGE_TIMEOUT_S:g} s ({driver.session.phase})"
            return Check(name, False, detail, "run with WA_LOG_LEVEL=debug, and report it")
        finally:
            await driver.stop()


async def _wait_for_phase(driver: WhatsAppWeb) -> SessionState:
    async for session in driver.watch_session():
        is_starting = session.phase in (Phase.STARTING, Phase.SYNCING)
        if not is_starting or session.reason == _UNREACHABLE:
            return session
    return driver.session


def _judge_session(name: str, session: SessionState) -> Check:
    if session.reason == _UNREACHABLE:
        return Check(name, False, _UNREACHABLE, "check the network, or use --sandbox")
    if session.phase is not Phase.LINKING:
        return Check(name, False, f"{session.phase}: {session.reason}", "see the log of a sender")
    if session.degraded:
        detail = f"does not offer {', '.join(session.degraded)}"
        return Check(name, False, detail, "install a newer wa-js: WA_WHATSAPP_BUNDLE")
    return Check(name, True, "offers all that wa-js needs")
