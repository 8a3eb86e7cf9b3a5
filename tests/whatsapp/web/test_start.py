"""Starts that must wait: for the network, for the whole page, for free disk space. In a real browser."""

import asyncio
from pathlib import Path

import pytest

from streams.whatsapp.driver import Phase
from streams.whatsapp.web.browser.launch import Timeouts
from streams.whatsapp.web.browser.profile import find_browsers
from streams.whatsapp.web.recovery_policy import RecoverySettings
from tests.support.browser import MakeDriver, wait_for_phase

pytestmark = pytest.mark.browser


async def test_an_incomplete_page_does_not_stop_the_session(make_driver: MakeDriver) -> None:
    """A page whose modules never come is not our page's death: it is tried without end."""
    driver = make_driver(
        whatsapp_url="data:text/html,nothing",
        recovery=RecoverySettings(max_failures=2, backoff_base_s=0.01, backoff_max_s=0.02),
        timeouts=Timeouts(load_s=0.2, answer_s=2.0, close_s=1.0),
    )
    await driver.start()
    assert driver._supervisor is not None
    async with asyncio.timeout(60):
        while driver._supervisor._unreachable_attempts < 4:  # noqa: ASYNC110 - it gives no event
            await asyncio.sleep(0.05)
    assert (driver.session.phase, driver.session.reason) == (Phase.STARTING, "page_incomplete")


async def test_a_profile_is_not_opened_on_a_full_disk(
    make_driver: MakeDriver, profile: Path
) -> None:
    """The session stops with that reason before any browser runs, and the profile is free again."""
    driver = make_driver(min_free_disk_mb=10**9)
    for _ in range(2):
        await driver.start()
        session = await wait_for_phase(driver, Phase.STOPPED)
        assert (session.reason, session.degraded) == ("disk_full", ())
        await driver.stop()
    assert list(find_browsers(profile)) == []


async def test_an_unreachable_whatsapp_does_not_stop_the_session(make_driver: MakeDriver) -> None:
    """While the network is down, the session has that reason and goes on."""
    driver = make_driver(
        whatsapp_url="https://nowhere.invalid/",
        recovery=RecoverySettings(max_failures=2, backoff_base_s=0.01, backoff_max_s=0.05),
    )
    await driver.start()
    async with asyncio.timeout(60):
        async for session in driver.watch_session():
            if session.reason:
                break
    assert (driver.session.phase, driver.session.reason) == (
        Phase.STARTING,
        "whatsapp_unreachable",
    )
