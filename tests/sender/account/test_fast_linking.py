"""The link of an account as its sender keeps it: the own number, a logout that a person requests, pairing codes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from streams.contract.account import AccountRecord
from streams.domain.accounts.linking import Instructions, LinkedNumber, LinkRequest
from streams.domain.accounts.requests import AccountRequest
from streams.domain.phone.events import Deferred, Event, Outcome, Sent
from streams.domain.sending import command as commands
from streams.sender.ownership import SendTopicOwnership
from streams.testing.fake_driver import FakeDriver
from streams.whatsapp.driver import Phase
from streams.whatsapp.errors import LinkFailed
from tests.sender.fast import FastSender, Record, make_command, until
from tests.sender.test_fast_ownership import make_ownership

OWN, OTHER = "+905550000001", "+905550000099"


class LinkWorld:
    """One ownership, and what it has published."""

    def __init__(self, tmp_path: Path) -> None:
        self.base = FastSender(driver=FakeDriver(phone=OWN))
        self.driver = self.base.driver
        self.events: list[Event] = []
        self.records: list[AccountRecord] = []
        self.ownership: SendTopicOwnership = make_ownership(
            tmp_path, self.base, CollectorRegistry(), self.events, self.records
        )

    async def wait_for(self, state: str, reason: str | None = None) -> AccountRecord:
        """Await that the last record says this."""
        await until(lambda: self.records and self.records[-1].state == state)
        await until(lambda: reason is None or self.records[-1].reason == reason)
        return self.records[-1]

    def instruct(
        self, requested: str | None = None, phone: str | None = OWN, **link: str | None
    ) -> Instructions:
        """A person requests this now, and this is the account's number."""
        at_s = self.base.now_s
        request = requested and AccountRequest(
            account="main",
            requested=requested,  # pyright: ignore[reportArgumentType]
            by="ada@host",
            at_s=at_s,
        )
        link_request = LinkRequest(
            account="main", link_until_s=at_s + 60, at_s=at_s, by="ada@host", **link
        )
        numbers = (
            {"main": LinkedNumber(account="main", linked_phone=phone, at_s=1)} if phone else {}
        )
        instructions = Instructions(request or None, link_request if link else None, numbers)
        self.ownership.apply_instructions(instructions)
        return instructions

    async def send(self, request_id: str) -> Outcome:
        """Dispatch a message and await what becomes of it."""
        record = Record(commands.encode(make_command(request_id)))
        await self.ownership.pipeline.accept(record, self.base.now_s, self.base.send_end)
        self.base.send_end += 1
        outcomes = [e for e in self.events if isinstance(e, Outcome)]
        await until(lambda: sum(isinstance(e, Outcome) for e in self.events) > len(outcomes))
        return next(e for e in reversed(self.events) if isinstance(e, Outcome))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LinkWorld]:
    """An account that was linked for the first time just now."""
    world = LinkWorld(tmp_path)
    await world.ownership.open()
    await world.wait_for("ready")
    yield world
    await world.ownership.close()


async def test_the_first_link_stores_the_number(world: LinkWorld) -> None:
    """Before it is durable the account is not ready."""
    assert world.records[-1].linked_phone == OWN
    assert world.records[0].linked_phone is None
    assert all(record.linked_phone for record in world.records if record.state == "ready")
    assert isinstance((await world.send("a")).result, Sent)


async def test_another_number_sends_nothing(world: LinkWorld) -> None:
    """Somebody scans with a wrong phone: its messages go elsewhere, until a person confirms the number."""
    world.driver.link_account(OTHER)
    record = await world.wait_for("linking", "other_number")
    assert (record.phone, record.linked_phone) == (OTHER, OWN)
    result = (await world.send("a")).result
    assert isinstance(result, Deferred)
    assert result.error.code == "not_logged_in"
    assert (world.driver.sent, world.driver.submissions) == ([], [])
    session = world.ownership.browser_session
    assert session.get_ready_driver() is None, "what is written to that number is read by nobody"
    assert (await session.diagnose()).reason == "other_number"
    world.instruct(phone=OTHER)
    await world.wait_for("ready")
    assert isinstance((await world.send("b")).result, Sent)


async def test_the_own_phone_ends_it_too(world: LinkWorld) -> None:
    """It is scanned again with the right phone."""
    world.driver.link_account(OTHER)
    await world.wait_for("linking", "other_number")
    world.driver.link_account(OWN)
    assert (await world.wait_for("ready")).phone == OWN


async def test_a_number_of_another_account_is_refused(world: LinkWorld) -> None:
    """Two names would send at twice the pace of one number."""
    own = LinkedNumber(account="main", linked_phone=OWN, at_s=2.0)
    sales = LinkedNumber(account="sales", linked_phone=OWN, at_s=1.0)
    world.ownership.apply_instructions(Instructions(numbers={"main": own, "sales": sales}))
    await world.wait_for("linking", "number_in_use")


async def test_a_wrong_phone_is_logged_out_for_the_right_one(world: LinkWorld) -> None:
    """A person who waits to link the account sees a code, and not the wrong phone; only once for each request."""
    world.driver.link_account(OTHER)
    await world.wait_for("linking", "other_number")
    world.instruct(pairing_phone=None)
    await until(lambda: world.records[-1].qr is not None)
    world.driver.link_account(OTHER)
    await world.wait_for("linking", "other_number")


async def test_a_wrong_phone_that_takes_the_code_can_be_confirmed(world: LinkWorld) -> None:
    """It is not logged out by the request that showed the code: a person decides about its number."""
    await world.driver.logout()
    await world.wait_for("linking")
    world.instruct(pairing_phone=None)
    world.driver.link_account(OTHER)
    await world.wait_for("linking", "other_number")
    world.instruct(phone=OTHER, pairing_phone=None)
    assert (await world.wait_for("ready")).phone == OTHER


async def test_a_requested_logout_lasts(world: LinkWorld, tmp_path: Path) -> None:
    """The record names who requested it, shows no code, and says the same after a restart, until it is linked."""
    world.instruct("logged_out")
    record = await world.wait_for("logged_out", "requested")
    assert record.request is not None
    assert (record.request.requested, record.request.by) == ("logged_out", "ada@host")
    await until(lambda: world.driver.session.phase is Phase.LINKING)
    assert world.ownership.account_record.qr is None
    restarted = LinkWorld(tmp_path / "restarted")
    await restarted.ownership.open(restarted.instruct("logged_out"))
    await restarted.wait_for("logged_out", "requested")
    restarted.instruct("active")
    assert (await restarted.wait_for("linking")).qr is not None
    await restarted.ownership.close()


async def test_a_pairing_code_is_requested_for_a_person_who_waits(world: LinkWorld) -> None:
    """The phone is the one that the person named."""
    await world.driver.logout()
    await world.wait_for("linking")
    world.instruct(pairing_phone=OWN)
    await until(lambda: world.records[-1].pairing_code)
    world.driver.link_account()
    await world.wait_for("ready")


async def test_a_refused_pairing_code_has_a_reason(
    world: LinkWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The person who waits learns it at once; the QR code is there still."""

    async def refuse(phone: str) -> str:
        raise LinkFailed("rate-overlimit")

    monkeypatch.setattr(world.driver, "request_pairing_code", refuse)
    await world.driver.logout()
    await world.wait_for("linking")
    world.instruct(pairing_phone=OWN)
    assert (await world.wait_for("linking", "pairing_refused")).qr is not None
