"""Takes one symbol after another away from the simulated page, and sees what the driver makes of it.

One browser, one linked profile: only the page is reloaded.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from streams.whatsapp.diagnosis import Symbol
from streams.whatsapp.driver import (
    NotSubmitted,
    Phase,
    ServerAccepted,
    SessionState,
    SubmitResult,
)
from streams.whatsapp.web.whatsapp_web import WhatsAppWeb
from tests.support.browser import PEER_CHAT, make_text
from tests.support.sandbox import SandboxControl


@dataclass(frozen=True)
class Outcome:
    """What the driver made of a page without this symbol, and of a message on it."""

    address: str
    session: SessionState
    result: SubmitResult
    has_arrived: bool

    @property
    def is_clear(self) -> bool:
        """Whether the state says that something is missing."""
        return _is_clear(self.session)

    @property
    def is_true(self) -> bool:
        """Whether the result of the submit is true. A doubt is always true."""
        if isinstance(self.result, ServerAccepted):
            return self.has_arrived
        return not (isinstance(self.result, NotSubmitted) and self.has_arrived)


def list_removable(symbols: Collection[Symbol]) -> list[str]:
    """What the fault `remove_module` can remove: exports, and whole modules with a default export."""
    addresses: dict[str, None] = {}
    for symbol in symbols:
        module, export = symbol.address.split(".")[:2]
        addresses[module if export == "default" else f"{module}.{export}"] = None
    return list(addresses)


async def sweep(
    driver: WhatsAppWeb, control: SandboxControl, addresses: Sequence[str], *, timeout_s: float
) -> list[Outcome]:
    """The outcome of each removal. `timeout_s` is how long a page may take until it says what is missing."""
    rows: list[tuple[str, SessionState, str, SubmitResult]] = []
    for number, address in enumerate(addresses, start=1):
        whatsapp_id = f"3EB0{number:016X}"
        await control.clear_faults()
        await control.add_faults({"remove_module": address})
        await _reload(driver)
        session = await _wait_for(driver, _is_clear, timeout_s)
        result = await driver.submit(make_text(whatsapp_id, chat_id=PEER_CHAT, deadline_in_s=3.0))
        rows.append((address, session, whatsapp_id, result))
        if session.phase is not Phase.READY:  # the next state must not be taken for this one
            await _restore(driver, control, timeout_s)
    await _restore(driver, control, timeout_s)
    arrived = {row["whatsapp_id"] for row in await control.fetch_log()}
    return [
        Outcome(address, session, result, whatsapp_id in arrived)
        for address, session, whatsapp_id, result in rows
    ]


async def _restore(driver: WhatsAppWeb, control: SandboxControl, timeout_s: float) -> None:
    """The page is whole again. What it can still send, it sends now.

    A page that could not read its storage has logged out, as the real one does: it is linked again.
    """
    await control.clear_faults()
    await _reload(driver)
    session = await _wait_for(driver, lambda state: _is_whole(state) or bool(state.qr), timeout_s)
    if session.qr is not None:
        await control.scan(session.qr)
        session = await _wait_for(driver, _is_whole, timeout_s)
    assert _is_whole(session), session


def _is_clear(session: SessionState) -> bool:
    """The page has loaded, or has given up to load, and its state says that something is missing."""
    return bool(session.degraded) or session.reason == "page_incomplete"


def _is_whole(session: SessionState) -> bool:
    return session.phase is Phase.READY and not session.degraded


async def _reload(driver: WhatsAppWeb) -> None:
    """Reload the page. False: the driver is replacing it anyway."""
    assert driver._supervisor is not None
    await driver._supervisor.reload()


async def _wait_for(
    driver: WhatsAppWeb, condition: Callable[[SessionState], bool], timeout_s: float
) -> SessionState:
    """The first state with the condition; the last one if there is none in time."""
    try:
        async with asyncio.timeout(timeout_s):
            async for session in driver.watch_session():
                if condition(session):
                    return session
    except TimeoutError:
        return driver.session
    raise AssertionError(f"the driver stopped: {driver.session.reason}")
