"""The sessions of pages: login, offline delivery, refusals, outages, logout. No message is handled here.

Faults of connections and of accounts (state/faults.py) take effect here.
"""

import asyncio
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.groups import Groups
from streams.sandbox.linking import Linking, lid, wid
from streams.sandbox.phones import Phones
from streams.sandbox.state.events import Unlinked
from streams.sandbox.state.faults import FAULT_KINDS, Fault, Faults, FaultValue, Trigger
from streams.sandbox.state.outages import Outages
from streams.sandbox.state.restrictions import Restrictions
from streams.sandbox.state.store import Store
from streams.sandbox.tasks import BackgroundTasks

_CONNECTION_FAULTS = (
    "page_crash",
    "drop_socket",
    "dead_socket",
    "logout",
    "replaced",
    "service_unavailable",
    "stream_error",
    "restrict",
)
# A page that one of these hits at its login is not welcomed.
_REFUSALS = frozenset({"replaced", "service_unavailable", "stream_error"})
_OUTAGES = frozenset({"socket_down_s", "network_down_s"})
_TEMPORARILY_BANNED = 402
_SERVICE_UNAVAILABLE = 503
_UNLINKING_ERRORS = frozenset({401, 403, 406})
_DEFAULT_RESTRICTION = "TOS_BLOCK"
# A long offline delivery is made of so many stanzas besides what the page really missed.
_OFFLINE_STANZAS = 20


class Sessions:
    """The sessions of all pages."""

    def __init__(
        self,
        store: Store,
        pages: Pages,
        faults: Faults,
        linking: Linking,
        phones: Phones,
        groups: Groups,
        background: BackgroundTasks,
    ) -> None:
        self._groups = groups
        self._store = store
        self._pages = pages
        self._faults = faults
        self._linking = linking
        self._phones = phones
        self._background = background
        self.outages = Outages()
        self.restrictions = Restrictions(lambda: store.world)

    # -- pages connect and disconnect

    async def on_connect(self, page: Connection, claims_linked: bool) -> None:
        """A page has sent its hello. Without an answer, its handshake fails."""
        phone = self._pages.phone_of_page(page)
        if self.outages.is_socket_down(phone):
            await page.disconnect()
            return
        replaced = self._pages.add(page)
        if replaced is not None:
            await replaced.send("conflict")
            await replaced.disconnect()
        faults = self.consume_faults(page, None)
        names = {name for name, _ in faults}
        if "drop_socket" not in names:
            await page.send("hello")
            if not names & _REFUSALS:
                await self._greet(page, claims_linked)
        for name, value in faults:
            await self.apply_to_page(page, name, value)

    def on_disconnect(self, page: Connection) -> None:
        """A page has closed its connection, or died."""
        self._linking.hide_codes(page)
        self._pages.remove(page)

    async def _greet(self, page: Connection, claims_linked: bool) -> None:
        phone = self._pages.phone_of_page(page)
        if phone is None and claims_linked:
            await page.send("unpaired")
        elif phone is None:
            self._linking.show_codes(page)
        elif (ban := self.restrictions.remaining_ban(phone)) is not None:
            await self._refuse(page, _TEMPORARILY_BANNED, **ban)
        else:
            await self._welcome(page, phone)

    async def _welcome(self, page: Connection, phone: str) -> None:
        page.is_restricted = False
        device = self._store.world.get_account(phone).devices[page.keys.noise]
        await page.send("welcome", me=wid(phone), lid=lid(phone), device=device)
        duration_ms = self._faults.consume("offline_delivery_ms", phone)
        if duration_ms:
            self._background.spawn(self._deliver_missed(page, phone, int(duration_ms) / 1000))
        else:
            await self._deliver_missed(page, phone, 0.0)

    async def _deliver_missed(self, page: Connection, phone: str, duration_s: float) -> None:
        stanzas = _OFFLINE_STANZAS if duration_s else 0
        await page.send("offline_preview", message=stanzas)
        await self._groups.send_all(page, phone)
        await self._phones.catch_up(page, phone)
        for _ in range(stanzas):
            await asyncio.sleep(duration_s / stanzas)
            await page.send("offline_stanza")
        await page.send("offline")
        await self.send_restrictions(page, phone)

    async def send_restrictions(self, page: Connection, phone: str) -> None:
        """Tell a page which time lock and which cap its account has."""
        await page.send("time_lock", **self.restrictions.time_lock(phone))
        cap = self.restrictions.new_chat_cap(phone)
        if cap is not None:
            await page.send("new_chat_cap", **cap)

    async def count_message(self, page: Connection, phone: str, to: str) -> None:
        """A message was accepted. The page gets its quota, if the message used up some of it."""
        if self.restrictions.count_message(phone, to):
            await self.send_restrictions(page, phone)

    async def _refuse(self, page: Connection, reason: int, **fields: Any) -> None:
        await page.send("failure", reason=reason, **fields)
        await page.disconnect()

    # -- logout

    async def unlink(self, phone: str) -> None:
        """The phone unlinks all its devices. Raises UnknownAccount."""
        for page in self._forget_devices(phone):
            await page.send("unpaired")

    def _forget_devices(self, phone: str) -> list[Connection]:
        pages = self._pages.of_account(phone)
        for noise in sorted(self._store.world.get_account(phone).devices):
            self._store.record(Unlinked(noise=noise))
        return pages

    async def log_out(self, page: Connection, request: dict[str, Any]) -> None:
        """A page logs itself out."""
        if self._pages.phone_of_page(page) is not None:
            self._store.record(Unlinked(noise=page.keys.noise))
        await page.reply(request)

    async def answer_ping(self, page: Connection, _: dict[str, Any]) -> None:
        """A page checks its connection."""
        await page.send("pong")

    # -- faults

    async def apply(self, faults: list[Fault]) -> None:
        """Make the faults take effect that do not wait for a message."""
        for fault in faults:
            if FAULT_KINDS[fault.name].trigger is Trigger.STATE:
                await self._apply_state(fault)
            elif fault.is_immediate:
                await self._apply_once(fault)
        if any(fault.is_for_connections and not fault.is_immediate for fault in faults):
            for page in self._pages.all():
                for name, value in self.consume_faults(page, None):
                    await self.apply_to_page(page, name, value)

    async def _apply_once(self, fault: Fault) -> None:
        if fault.name == "logout" and fault.value is True:
            await self._unlink_all(fault.account)
            return
        for page in self._pages.of_account(fault.account):
            await self.apply_to_page(page, fault.name, fault.value)

    async def _apply_state(self, fault: Fault) -> None:
        pages = self._pages.of_account(fault.account)
        if fault.name in _OUTAGES:
            self.outages.begin(fault.name, fault.account, float(fault.value))
            for page in pages:
                await page.disconnect()
            return
        self.restrictions.set(fault.name, fault.account, fault.value)
        if fault.name == "ban":
            for page in pages:
                await page.disconnect()  # the login that follows is refused
            return
        await self._announce_restrictions(fault.account)
        if fault.name == "time_lock":
            self._background.spawn(self._announce_end(fault.account, float(fault.value)))

    async def _announce_restrictions(self, account: str | None) -> None:
        for page in self._pages.of_account(account):
            phone = self._pages.phone_of_page(page)
            if phone is not None:
                await self.send_restrictions(page, phone)

    async def _announce_end(self, account: str | None, duration_s: float) -> None:
        await asyncio.sleep(duration_s)
        await self._announce_restrictions(account)

    async def _unlink_all(self, phone: str | None) -> None:
        """Unlink also an account that is not connected: the phone does it, not the page."""
        for account_phone in [phone] if phone else sorted(self._store.world.accounts):
            await self.unlink(account_phone)

    async def clear_faults(self) -> None:
        """Remove all faults, and end all outages and restrictions."""
        self._faults.clear()
        self.outages.clear()
        self.restrictions.clear()
        for page in self._pages.all():
            phone = self._pages.phone_of_page(page)
            if phone is not None and page.is_restricted:
                await self._welcome(page, phone)
            elif phone is not None:
                await self.send_restrictions(page, phone)

    def consume_faults(self, page: Connection, number: str | None) -> list[tuple[str, FaultValue]]:
        """The faults that hit this connection now: `number` is the recipient of a message, if any."""
        phone = self._pages.phone_of_page(page)
        values = [(name, self._faults.consume(name, phone, number)) for name in _CONNECTION_FAULTS]
        return [(name, value) for name, value in values if value is not None]

    async def apply_to_page(self, page: Connection, name: str, value: FaultValue) -> None:
        """Make a fault of connections take effect on this one."""
        match name:
            case "page_crash":
                await page.send("crash")
            case "drop_socket":
                await page.disconnect()
            case "dead_socket":
                page.is_dead = True
            case "replaced":
                await page.send("conflict")
                await page.disconnect()
            case "service_unavailable":
                await self._refuse(page, _SERVICE_UNAVAILABLE)
            case "stream_error":
                await self._refuse_for_good(page, int(value))
            case "restrict":
                page.is_restricted = True
                mode = value if isinstance(value, str) else _DEFAULT_RESTRICTION
                await page.send("restricted", mode=mode)
            case "logout":
                await self._log_out(page, value)

    async def _refuse_for_good(self, page: Connection, reason: int) -> None:
        phone = self._pages.phone_of_page(page)
        if phone is not None and reason in _UNLINKING_ERRORS:
            self._forget_devices(phone)
        await self._refuse(page, reason)

    async def _log_out(self, page: Connection, value: FaultValue) -> None:
        phone = self._pages.phone_of_page(page)
        if isinstance(value, str):
            await page.send("logout", reason=value)
        elif phone is not None:
            await self.unlink(phone)
