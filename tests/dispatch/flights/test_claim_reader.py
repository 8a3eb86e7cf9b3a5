"""The claims of an account, read from its changelog on the real broker."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import RecordMetadata

from streams.dispatch.flights.claim_reader import BARRIER_KEY, ClaimReader, ClaimsUnreadable
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim
from streams.kafka import admin, connection, topics
from streams.settings import Settings
from tests.support.broker import OwnBroker, make_settings

pytestmark = pytest.mark.broker

OPEN = Claim(phone="+60123456789", id="a", dispatch_number=1)


class Account:
    """The account `main`: a sender that writes its changelog, and a reader."""

    def __init__(self, settings: Settings, producer: AIOKafkaProducer) -> None:
        app_id = topics.sender_app_id(settings, "main")
        self.changelog = topics.changelog_topic(app_id, topics.SENDS)
        self.reader = ClaimReader(settings, self._write_barrier)
        self.barriers: list[int] = []
        self._producer = producer

    async def _write_barrier(self, topic: str) -> RecordMetadata:
        barrier = await self._producer.send_and_wait(topic, None, key=BARRIER_KEY, partition=0)
        self.barriers.append(barrier.offset)
        return barrier

    async def write(self, whatsapp_id: str, claim: Claim | bytes | None) -> None:
        """The sender stores a row."""
        value = claims.encode(claim) if isinstance(claim, Claim) else claim
        key = whatsapp_id.encode()
        await self._producer.send_and_wait(self.changelog, value, key=key, partition=0)

    async def read(self, whatsapp_ids: Sequence[str]) -> list[Claim | None]:
        """The rows of these ids."""
        rows = (await self.reader.read("main", whatsapp_ids)).rows
        return [rows[whatsapp_id] for whatsapp_id in whatsapp_ids]


@pytest.fixture
async def account(broker: OwnBroker, tmp_path: Path) -> AsyncIterator[Account]:
    """An account with a changelog of its own."""
    settings = make_settings(broker, tmp_path)
    await admin.create_topics(settings)
    async with AIOKafkaProducer(**connection.producer_options(settings)) as producer:
        account = Account(settings, producer)
        yield account
        await account.reader.close()


async def test_the_last_row_of_each_id(account: Account) -> None:
    """Rows change and are removed; other keys are no claims."""
    concluded = Claim(phone="+60123456789", id="b", dispatch_number=2)
    for whatsapp_id, claim in (("A", OPEN), ("B", OPEN), ("C", OPEN), ("restriction", b"x")):
        await account.write(whatsapp_id, claim)
    await account.write("B", concluded)
    await account.write("C", None)
    assert await account.read(["A", "B", "C", "D"]) == [OPEN, concluded, None, None]


async def test_it_goes_on_where_it_was(account: Account) -> None:
    """Claims that came since the last time are read too, and an id that is new is looked for from the beginning."""
    await account.write("A", OPEN)
    assert await account.read(["B"]) == [None]
    await account.write("B", OPEN)
    assert await account.read(["B"]) == [OPEN]
    assert await account.read(["A", "B"]) == [OPEN, OPEN]
    assert len(account.barriers) == 3


async def test_a_row_that_cannot_be_read_is_an_open_claim(account: Account) -> None:
    """Its message may have been sent."""
    await account.write("A", b"\xff")
    [claim] = await account.read(["A"])
    assert claim is not None
    assert claim.is_open


async def test_a_changelog_that_does_not_exist(account: Account) -> None:
    """It is not created by looking for it."""
    with pytest.raises(ClaimsUnreadable) as raised:
        await account.reader.read("other", ["A"])
    assert raised.value.is_missing
    assert account.barriers == []
