"""Groups: a person makes and changes them, pages learn of them, and their members report what they have got.

What a message to a group says may not be decided here. Each member reports for itself; a page counts them.
"""

import secrets
import time
from collections.abc import Sequence
from typing import Any

from streams.sandbox.connection import Connection, Pages
from streams.sandbox.state.events import GroupChanged, Message, MessagesRead
from streams.sandbox.state.store import Store
from streams.sandbox.state.world import ShownMessage
from streams.whatsapp.driver import AckLevel

_FORBIDDEN, _NOT_FOUND = 403, 404
# What the real server answers to a message of somebody who is not in the group is not known.
NOT_IN_GROUP = _FORBIDDEN


class Groups:
    """All groups of the world."""

    def __init__(self, store: Store, pages: Pages) -> None:
        self._store = store
        self._pages = pages

    async def change(
        self,
        group_id: str | None,
        subject: str,
        members: Sequence[str],
        admins: Sequence[str],
        *,
        admins_only: bool,
    ) -> str:
        """Make the group, or change it: its members are these from now on. Returns its id."""
        group_id = group_id or f"120363{secrets.randbelow(10**12):012d}@g.us"
        previous = self._store.world.groups.get(group_id)
        change = self._store.record(
            GroupChanged(
                id=group_id,
                subject=subject,
                members=tuple(members),
                admins=tuple(admins),
                admins_only=admins_only,
            )
        )
        concerned = {*change.members, *(previous.members if previous else ())}
        for phone in sorted(concerned):
            for page in self._pages.of_account(phone):
                await page.send("group", group=self._describe(change))
        return group_id

    async def send_all(self, page: Connection, phone: str) -> None:
        """Tell a page of every group that its account is in, or has been in."""
        for group in self._store.world.groups.values():
            if phone in group.members or phone in self._store.world.former_members(group.id):
                await page.send("group", group=self._describe(group))

    async def answer(self, page: Connection, request: dict[str, Any]) -> None:
        """A page asks for one group. Only a member gets an answer."""
        group = self._store.world.groups.get(request["wid"])
        if group is None:
            await page.reply(request, error=_NOT_FOUND)
        elif self._pages.phone_of_page(page) not in group.members:
            await page.reply(request, error=_FORBIDDEN)
        else:
            await page.reply(request, group=self._describe(group))

    def _describe(self, group: GroupChanged) -> dict[str, Any]:
        ids_of_phone = self._store.world.ids_of_phone
        return {
            "id": group.id,
            "subject": group.subject,
            "announce": group.admins_only,
            "participants": [
                {"id": ids_of_phone(member).lid, "isAdmin": member in group.admins}
                for member in group.members
            ],
        }

    # -- messages

    def find_refusal(self, phone: str, group_id: str) -> int | None:
        """The code with which the server refuses a message of this account to the group, or None."""
        group = self._store.world.groups.get(group_id)
        if group is None or phone not in group.members:
            return NOT_IN_GROUP
        return NOT_IN_GROUP if group.admins_only and phone not in group.admins else None

    async def read_messages(self, by: str, to: str, group_id: str) -> int:
        """A member reads all messages of the account in the group. Returns how many it had not read."""
        account = self._store.world.get_account(to)
        unread = [shown for shown in account.unread.get(group_id, []) if by not in shown.readers]
        if unread:
            self._store.record(MessagesRead(by=by, to=to, group=group_id))
        for shown in unread:
            await self.send_receipt(shown.message, by, AckLevel.READ)
        return len(unread)

    async def send_receipts_again(self, page: Connection, shown: ShownMessage) -> None:
        """What a page that has reconnected has not confirmed. What it has confirmed does no harm."""
        for member in self.list_receivers(shown.message):
            ack = AckLevel.READ if member in shown.readers else AckLevel.DELIVERED
            await page.send("receipt", **self._make_receipt(shown.message, member, ack))

    def list_receivers(self, message: Message) -> list[str]:
        """The members of its group, without the one who wrote it."""
        group = self._store.world.groups.get(message.to)
        return [member for member in group.members if member != message.from_] if group else []

    async def send_receipt(self, message: Message, member: str, ack: AckLevel) -> None:
        """A member has the message, or has read it."""
        for page in self._pages.of_account(message.from_):
            await page.send("receipt", **self._make_receipt(message, member, ack))

    def _make_receipt(self, message: Message, member: str, ack: AckLevel) -> dict[str, Any]:
        return {
            "type": "read" if ack == AckLevel.READ else "delivery",
            "from": message.to,
            "participant": self._store.world.ids_of_phone(member).lid,
            "ids": [message.whatsapp_id],
            "t": int(time.time()),
        }
