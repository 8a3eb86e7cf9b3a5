"""Linking in a real Chromium when nobody scans for a long time, and in each form of the code.

The codes of this sandbox live for a second or three, so that hours are seconds.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from streams.whatsapp.driver import Phase
from streams.whatsapp.web.browser.launch import Timeouts
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_browser_config, scan_until_ready, wait_for_phase
from tests.support.sandbox import Sandbox, SandboxControl, run_sandbox

pytestmark = pytest.mark.browser

TIMEOUTS = Timeouts(heartbeat_s=0.3, answer_s=5.0, look_up_s=8.0, close_s=1.0)
QR_FIELDS = {1: 5, 2: 5, 3: 6}


@pytest.fixture(scope="module")
def quick_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    """A sandbox that shows two codes, for three seconds and for one, and then none."""
    options = ("--qr-ttl-s=1", "--set=qr_codes=2")
    with run_sandbox(tmp_path_factory.mktemp("sandbox"), *options) as (sandbox, _):
        yield sandbox


@pytest.fixture
async def control(quick_sandbox: Sandbox) -> AsyncIterator[SandboxControl]:
    """A client of the sandbox. Its faults end with the test."""
    control = SandboxControl(quick_sandbox.control_url)
    yield control
    await control.clear_faults()


@pytest.fixture
async def driver(quick_sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[WhatsAppWeb]:
    """A driver that is not started, on a fresh profile. A page without a code is stuck at once."""
    recovery = RecoverySettings(max_failures=2, stuck_timeout_s=5.0)
    driver = WhatsAppWeb(
        make_browser_config(
            quick_sandbox.browser_args, tmp_path / "main", timeouts=TIMEOUTS, recovery=recovery
        )
    )
    yield driver
    await driver.stop()


async def collect_codes(driver: WhatsAppWeb, count: int) -> tuple[list[str], set[str]]:
    """So many different QR codes, one after the other, and the reasons that were shown meanwhile."""
    codes: list[str] = []
    reasons: set[str] = set()
    async with asyncio.timeout(40):
        async for session in driver.watch_session():
            reasons.add(session.reason or "")
            assert session.phase in {Phase.STARTING, Phase.LINKING, Phase.RECONNECTING}
            if session.qr and session.qr not in codes:
                codes.append(session.qr)
            if len(codes) >= count:
                break
    return codes, reasons


async def test_codes_come_for_hours(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """An idle page is refreshed by its own function (source: WAWebLaunchSocketUtils), and then links."""
    await driver.start()
    codes, reasons = await collect_codes(driver, 5)
    assert len(set(codes)) == 5
    assert reasons <= {"", "qr_expired"}
    async with asyncio.timeout(30):
        await scan_until_ready(driver, control)


async def test_a_page_without_a_refresh_is_reloaded(
    driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """If that function is gone one day, a reload brings the next codes."""
    await control.add_faults({"remove_module": "WAWebLaunchSocketUtils.refreshQR"})
    await driver.start()
    _, reasons = await collect_codes(driver, 3)
    assert "qr_expired" in reasons
    assert "page_stuck" not in reasons


@pytest.mark.parametrize("form", [1, 2, 3])
async def test_each_form_of_the_code_is_shown_as_it_is(
    driver: WhatsAppWeb, control: SandboxControl, form: int
) -> None:
    """The screen has the whole text (source: WAWebLinkDeviceQrcode); wa-js has four fields of it."""
    await control.add_faults({"qr_form": form})
    await driver.start()
    session = await wait_for_phase(driver, Phase.LINKING)
    assert session.qr is not None
    assert len(session.qr.split(",")) == QR_FIELDS[form]
    assert session.qr.startswith("https://wa.me/settings/linked_devices#") == (form == 2)
