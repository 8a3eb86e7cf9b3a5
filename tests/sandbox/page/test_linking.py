"""How the page is linked: its codes, their forms, the refresh, the pairing code, its names. One browser for all."""

import pytest

from tests.sandbox.page.raw_page import RawPage

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

_READ_CODE = "() => document.querySelector('[data-ref]').dataset.ref"
_IS_IDLE = "() => require('WAWebSocketModel').Socket.state === 'UNPAIRED_IDLE'"
_ADDRESS = "https://wa.me/settings/linked_devices#"


@pytest.mark.parametrize(
    ("form", "start", "fields"), [(1, "2@", 5), (2, f"{_ADDRESS}2@", 5), (3, "2@", 6)]
)
async def test_the_forms_of_the_code(raw_page: RawPage, form: int, start: str, fields: int) -> None:
    """The code has five fields, five behind a link, or six; a phone reads each (WAWebLinkDeviceQrcode.react)."""
    await raw_page.control.add_faults({"qr_form": form})
    await raw_page.load()
    code = await raw_page.wait_for_code()
    assert code.startswith(start)
    assert len(code.split(",")) == fields
    await raw_page.control.scan(code)
    await raw_page.wait_for_connection()


async def test_six_codes_and_then_a_button(raw_page: RawPage) -> None:
    """The first code lives three times as long; then a button asks for new ones (WAWebHandlePairDevice)."""
    await raw_page.run(
        """() => {
            const { Conn } = require("WAWebConnModel");
            window.times = [Conn.refTTL];
            Conn.on("change:ref", () => window.times.push(Conn.refTTL));
        }"""
    )
    await raw_page.wait(_IS_IDLE)
    times = await raw_page.run("() => window.times")
    assert times[1:] in ([200] * count for count in range(2, 6))  # a slow machine misses the first
    assert times[0] in (600, 200)
    last_code = await raw_page.run(_READ_CODE)  # stays where it was
    await raw_page.tab.click("button")
    await raw_page.wait(f"(code) => ({_READ_CODE})() !== code", last_code)
    await raw_page.control.scan(await raw_page.run(_READ_CODE))
    await raw_page.wait_for_connection()


async def test_refresh_qr(raw_page: RawPage) -> None:
    """Cmd has no refreshQR any more; a new connection brings new codes (WAWebLaunchSocketUtils)."""
    assert await raw_page.run("() => 'refreshQR' in require('WAWebCmd').Cmd") is False
    code = await raw_page.wait_for_code()
    await raw_page.run("() => require('WAWebLaunchSocketUtils').refreshQR()")
    await raw_page.wait(f"(code) => ({_READ_CODE})() !== code", code)


async def test_a_pairing_code(raw_page: RawPage) -> None:
    """It needs an initialization, and the phone's answer is an event (WAWebAltDeviceLinkingApi)."""
    refused = await raw_page.run(
        """() => require("WAWebLinkDeviceAction").genLinkDeviceCodeForPhoneNumber("905550000007")
            .catch((error) => error.message)"""
    )
    assert "stage" in refused
    code = await raw_page.run(
        """async () => {
            const { WAWebLinkDeviceEvents } = require("WAWebLinkDeviceEvents");
            const name = "link_device_events:primary_hello_received";
            WAWebLinkDeviceEvents.on(name, () => { window.helloReceived = true; });
            await require("WAWebAltDeviceLinkingApi").initializeAltDeviceLinking();
            return require("WAWebLinkDeviceAction").genLinkDeviceCodeForPhoneNumber("905550000007");
        }"""
    )
    assert await raw_page.control.enter_pairing_code(code) == "+905550000007"
    await raw_page.wait_for_connection()
    assert await raw_page.run("() => window.helloReceived") is True


async def test_names(raw_page: RawPage) -> None:
    """The page has the real modules' names, and none that only the sandbox had (list of the real modules)."""
    defined = set(await raw_page.run("() => Object.keys(require('__debug').modulesMap)"))
    assert {
        "WAComms", "WAWebCollection", "WAWebHandlePairDevice", "WAWebLaunchSocketUtils",
        "WAWebLinkDeviceAction", "WAWebOfflineHandler", "WAWebUserPrefsIsLoggedIn",
    } <= defined  # fmt: skip
    assert not defined & {
        "WAWebBaseCollectionClass", "WAWebUserPrefsLogin", "WAWebUserPrefsRegistration",
    }  # fmt: skip
    cmd = await raw_page.run(
        "() => ['isMainLoaded', 'refreshQR'].filter((name) => name in require('WAWebCmd').Cmd)"
    )
    assert cmd == []


@pytest.mark.parametrize("name", ["WAWebOfflineHandler", "WAWebLaunchSocketUtils.refreshQR"])
async def test_a_removed_module(raw_page: RawPage, name: str) -> None:
    """With the fault `remove_module`, the page leaves out a module or one of its exports (made up)."""
    await raw_page.control.add_faults({"remove_module": name})
    await raw_page.load()
    module, _, export = name.partition(".")
    script = """([module, name]) => {
        if (!require("__debug").modulesMap[module]) return "no module";
        return name in require(module) ? "complete" : "no export";
    }"""
    assert await raw_page.run(script, [module, export]) == ("no export" if export else "no module")
