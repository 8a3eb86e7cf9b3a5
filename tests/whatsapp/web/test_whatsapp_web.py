"""The driver in a real Chromium with the real wa-js, against the sandbox."""

import asyncio

import pytest

from streams.whatsapp.driver import LookupFailed, NotSubmitted, Phase, ServerAccepted
from streams.whatsapp.errors import BrowserMissing, BundleMissing, ProfileInUse
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import (
    PEER,
    PEER_CHAT,
    MakeDriver,
    link,
    make_text,
    wait_for_phase,
)
from tests.support.sandbox import SandboxControl

pytestmark = pytest.mark.browser


async def test_links_by_qr(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """The driver shows a QR code, then is ready with the phone's number and a new link."""
    shown = await wait_for_phase(driver, Phase.LINKING)
    ready = await link(driver, control)
    assert ready.phone is not None
    assert ready.phone.startswith("+")
    assert ready.qr is None
    assert ready.degraded == ()
    assert shown.link != ready.link


async def test_links_by_pairing_code(driver: WhatsAppWeb, control: SandboxControl) -> None:
    """The code is returned and shown in the session; entered in the phone, it links."""
    await wait_for_phase(driver, Phase.LINKING)
    code = await driver.request_pairing_code("+905550000001")
    assert driver.session.pairing_code == code
    await control.enter_pairing_code(code, "+905550000001")
    ready = await wait_for_phase(driver, Phase.READY)
    assert ready.phone == "+905550000001"


async def test_an_unlinked_page_answers_nothing(driver: WhatsAppWeb) -> None:
    """Look-ups fail and nothing is submitted, each with its reason."""
    await wait_for_phase(driver, Phase.LINKING)
    assert isinstance(await driver.look_up(PEER), LookupFailed)
    assert isinstance(await driver.find_message("3EB0AA", PEER_CHAT), LookupFailed)
    result = await driver.submit(make_text("3EB0AA"))
    assert isinstance(result, NotSubmitted)
    assert result.code == "not_logged_in"


async def test_logout_shows_a_new_code_under_a_new_link(
    linked_driver: WhatsAppWeb, control: SandboxControl
) -> None:
    """The session is logged out, then linking, and the same profile can be linked again."""
    phases: list[Phase] = []
    link_before = linked_driver.session.link

    async def watch() -> None:
        async for session in linked_driver.watch_session():
            phases.append(session.phase)
            if session.qr:
                return

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        group.create_task(watch())
        await asyncio.sleep(0)  # the task begins to watch before the logout
        await linked_driver.logout()
    assert phases[-2:] == [Phase.LOGGED_OUT, Phase.LINKING]
    assert linked_driver.session.link != link_before
    assert (await link(linked_driver, control)).link not in {None, link_before}
    assert isinstance(await linked_driver.submit(make_text("3EB0AA17")), ServerAccepted)


async def test_unlinked_from_the_phone(linked_driver: WhatsAppWeb, control: SandboxControl) -> None:
    """An unlink by the phone has the same phases as a logout."""
    await control.add_faults({"logout": True}, account=linked_driver.session.phone)
    await wait_for_phase(linked_driver, Phase.LOGGED_OUT, Phase.LINKING)
    shown = await wait_for_phase(linked_driver, Phase.LINKING)
    assert shown.phone is None


async def test_a_second_driver_on_the_profile_is_refused(
    linked_driver: WhatsAppWeb, make_driver: MakeDriver
) -> None:
    """The error comes at the start and does not harm the first driver."""
    with pytest.raises(ProfileInUse, match="another process uses the profile"):
        await make_driver().start()
    assert isinstance(await linked_driver.submit(make_text("3EB0AA18")), ServerAccepted)


async def test_a_missing_installation_is_reported_at_the_start(make_driver: MakeDriver) -> None:
    """The error says which setting is wrong, before any phase or process."""
    with pytest.raises(BrowserMissing, match="WA_BROWSER_EXECUTABLE"):
        await make_driver(executable="/no/chrome").start()
    with pytest.raises(BundleMissing, match="WA_WHATSAPP_BUNDLE"):
        await make_driver(bundle="/no/bundle.js").start()
