"""Links pages to phones: rotating QR codes, pairing codes, and the phone that scans. No messages here."""

import asyncio
import secrets

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.state.events import Linked
from streams.sandbox.state.faults import Defaults
from streams.sandbox.state.store import Store
from streams.sandbox.state.world import UserIds
from streams.sandbox.tasks import BackgroundTasks

# The first code lives longer, as in WhatsApp (source: WAWebHandlePairDevice).
_FIRST_CODE_FACTOR = 3
_MAX_DEVICES = 4
_FIRST_PHONE = 905_550_000_001
# WhatsApp's pairing codes leave out letters and digits that are easily confused.
_CODE_ALPHABET = "ABCDEFGHJKLMNPQRSTVWXYZ123456789"
_CODE_LENGTH = 8
# A person in front of the screen needs a moment.
_AUTO_SCAN_DELAY_S = 0.3


class LinkingRefused(Exception):
    """The phone refuses to link. The message says why."""


class Linking:
    """The linking of all pages."""

    def __init__(
        self, store: Store, pages: Pages, defaults: Defaults, background: BackgroundTasks
    ) -> None:
        self._store = store
        self._pages = pages
        self._defaults = defaults
        self._background = background
        self._rotations: dict[Connection, asyncio.Task[None]] = {}

    # -- what a page shows

    def show_codes(self, page: Connection) -> None:
        """From now on, the page shows one QR code after the other, until it has shown them all."""
        self.hide_codes(page)
        self._rotations[page] = self._background.spawn(self._rotate_codes(page))

    def hide_codes(self, page: Connection) -> None:
        """From now on, the page shows no QR code."""
        page.clear_codes()
        task = self._rotations.pop(page, None)
        if task is not None:
            task.cancel()

    async def _rotate_codes(self, page: Connection) -> None:
        refs = ["2@" + secrets.token_urlsafe(48) for _ in range(self._defaults.qr_codes)]
        await page.send("refs", refs=refs)
        for position, ref in enumerate(refs):
            page.show_code(ref)
            if self._defaults.auto_scan:
                self._background.spawn(self._auto_scan(page))
            factor = _FIRST_CODE_FACTOR if position == 0 else 1
            await asyncio.sleep(self._defaults.qr_ttl_s * factor)
        page.clear_codes()

    async def _auto_scan(self, page: Connection) -> None:
        await asyncio.sleep(_AUTO_SCAN_DELAY_S)
        if page.is_open and page.qr is not None:
            await self._link(page, self._next_free_phone())

    def create_pairing_code(self, page: Connection, phone: str) -> str:
        """A code for the page to show; it must be entered in this phone."""
        code = "".join(secrets.choice(_CODE_ALPHABET) for _ in range(_CODE_LENGTH))
        page.pairing = (code, phone)
        return code

    # -- what a phone does

    async def scan(self, qr: str, phone: str | None) -> str:
        """A phone scans. Returns its number: a new one if none is given. Raises LinkingRefused."""
        for page in self._pages.all():
            if page.is_showing(qr):
                return await self._link(page, phone or self._next_free_phone())
        raise LinkingRefused(
            "no page shows this QR code now; a code is valid until the next but one"
        )

    async def enter_pairing_code(self, code: str, phone: str | None) -> str:
        """The pairing code is entered in the phone that it is for. Raises LinkingRefused."""
        normalized_code = code.replace("-", "").upper()
        for page in self._pages.all():
            if page.pairing is not None and page.pairing[0] == normalized_code:
                expected_phone = page.pairing[1]
                if phone is not None and phone != expected_phone:
                    raise LinkingRefused(f"the code is for {expected_phone}")
                await page.send("primary_hello")
                return await self._link(page, expected_phone)
        raise LinkingRefused("no page shows this pairing code now")

    async def _link(self, page: Connection, phone: str) -> str:
        account = self._store.world.accounts.get(phone)
        if account is not None and len(account.devices) >= _MAX_DEVICES:
            raise LinkingRefused(f"{phone} has {_MAX_DEVICES} linked devices already")
        self.hide_codes(page)
        self._store.record(Linked(noise=page.keys.noise, phone=phone))
        device = self._store.world.get_account(phone).devices[page.keys.noise]
        await page.send("paired", me=wid(phone), lid=lid(phone), device=device)
        return phone

    def _next_free_phone(self) -> str:
        """The first phone that no device is linked to."""
        number = _FIRST_PHONE
        accounts = self._store.world.accounts
        while (account := accounts.get(f"+{number}")) is not None and account.devices:
            number += 1
        return f"+{number}"


def wid(phone: str) -> str:
    """WhatsApp's id of a phone's owner."""
    return UserIds.of_phone(phone).pn


def lid(phone: str) -> str:
    """The LID of a phone's owner, which hides the number."""
    return UserIds.of_phone(phone).lid
