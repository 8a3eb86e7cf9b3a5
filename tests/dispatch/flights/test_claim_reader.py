"""The claims of an account, read from its changelog on the real broker."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import RecordMetadata, TopicPartition

from streams.dispatch.flights.barrier import BarrierWriter
from streams.dispatch.flights.claim_reader import ClaimReader, ClaimsRead, ClaimsUnreadable
from streams.domain.sending import claim as claims
from streams.domain.sending.claim import Claim
from streams.domain.sending.resolved import barrier_key
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
        self.settings = settings
        self.send_topic = topics.names(settings).send("main")
        self.barriers = BarrierWriter(self._publish, "dispatch-1", lambda _: self.send_topic)
        self.reader = ClaimReader(settings, self.barriers)
        self.published: list[tuple[str, bytes | None]] = []
        self.producer = producer

    async def _publish(
        self, topic: str, value: bytes | None, *, key: bytes, partition: int
    ) -> RecordMetadata:
        assert key == barrier_key("dispatch-1")
        self.published.append((topic, value))
        return await self.producer.send_and_wait(topic, value, key=key, partition=partition)

    async def write(self, whatsapp_id: str, claim: Claim | bytes | None) -> None:
        """The sender stores a row."""
        value = claims.encode(claim) if isinstance(claim, Claim) else claim
        key = whatsapp_id.encode()
        await self.producer.send_and_wait(self.changelog, value, key=key, partition=0)

    async def read_claims(self, whatsapp_ids: Sequence[str]) -> ClaimsRead:
        """What the reader answers."""
        return await self.reader.read("main", whatsapp_ids)

    async def read(self, whatsapp_ids: Sequence[str]) -> list[Claim | None]:
        """The rows of these ids."""
        rows = (await self.read_claims(whatsapp_ids)).rows
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
    barriers = [value for topic, value in account.published if topic == account.changelog]
    assert barriers == [b"0", b"1", b"2"]


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
    assert account.published == []


async def test_a_barrier_holds_the_end_of_the_send_topic(account: Account) -> None:
    """It lies behind every command that was published before, so it is about all of them."""
    command = await account.producer.send_and_wait(account.send_topic, b"command", partition=0)
    claims_read = await account.read_claims(["A"])
    assert claims_read.is_last_word
    assert account.published == [
        (account.send_topic, None),
        (account.changelog, b"%d" % (command.offset + 1)),
    ]
    end = TopicPartition(account.send_topic, 0)
    async with AIOKafkaConsumer(**connection.client_options(account.settings)) as consumer:
        assert await consumer.end_offsets([end]) == {end: command.offset + 2}


async def test_without_a_send_topic_only_the_deadline_decides(account: Account) -> None:
    """No offset names its commands, and none is created by looking for it."""
    account.send_topic = "no-such-topic"
    assert not (await account.read_claims(["A"])).is_last_word
    assert account.published == [(account.changelog, b"0")]
