"""Nobody scans the QR code for an hour, accelerated 50 times, in a real browser on the simulated page.

`make chaos` runs it and prints its figures. CHAOS_HOUR_S (72) is how long the hour lasts here.
"""

import os
import time
from collections import Counter
from pathlib import Path

import pytest

from streams.whatsapp.driver import Phase
from streams.whatsapp.web.browser.launch import Timeouts
from streams.whatsapp.web.recovery_policy import RecoverySettings
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import make_browser_config, scan_until_ready
from tests.support.sandbox import SandboxControl, run_sandbox

pytestmark = [pytest.mark.chaos, pytest.mark.browser, pytest.mark.timeout(300)]

HOUR_S = float(os.environ.get("CHAOS_HOUR_S", "72"))
QR_TTL_S = 20 * HOUR_S / 3600  # six codes; the first one lives three times as long
WAITING = {Phase.STARTING, Phase.LINKING, Phase.RECONNECTING}  # the last one between two codes
RECOVERY = RecoverySettings(max_failures=2, stuck_timeout_s=5.0)
TIMEOUTS = Timeouts(heartbeat_s=0.3, answer_s=5.0, look_up_s=8.0, close_s=1.0)


async def test_an_hour_without_a_scan(tmp_path: Path) -> None:
    """There is always a code or the next one on its way, no page is replaced, and the scan links at last."""
    options = (f"--qr-ttl-s={QR_TTL_S}",)
    with run_sandbox(tmp_path / "sandbox", *options) as (sandbox, _):
        driver = WhatsAppWeb(
            make_browser_config(
                sandbox.browser_args, tmp_path / "main", recovery=RECOVERY, timeouts=TIMEOUTS
            )
        )
        await driver.start()
        try:
            codes, reasons, longest_gap_s = await _watch(driver, HOUR_S)
            await scan_until_ready(driver, SandboxControl(sandbox.control_url))
        finally:
            await driver.stop()
    print(
        f"\nan hour in {HOUR_S:.0f} s: {len(codes)} codes, the longest time without one"
        f" {longest_gap_s:.1f} s, reasons {dict(reasons)}; then linked",
        flush=True,
    )
    assert set(reasons) <= {"", "qr_expired"}
    assert longest_gap_s < RECOVERY.stuck_timeout_s
    assert len(codes) > HOUR_S / (8 * QR_TTL_S)  # of each six codes, at least one is seen


async def _watch(driver: WhatsAppWeb, duration_s: float) -> tuple[set[str], Counter[str], float]:
    """The codes and reasons during this time, and the longest time between two codes."""
    codes: set[str] = set()
    reasons: Counter[str] = Counter()
    last_code_s = longest_gap_s = 0.0
    end_s = time.monotonic() + duration_s
    async for session in driver.watch_session():
        now_s = time.monotonic()
        if now_s >= end_s:
            break
        assert session.phase in WAITING, session
        reasons[session.reason or ""] += 1
        if session.qr is not None:
            if last_code_s and not codes >= {session.qr}:
                longest_gap_s = max(longest_gap_s, now_s - last_code_s)
            codes.add(session.qr)
            last_code_s = now_s
    return codes, reasons, longest_gap_s
