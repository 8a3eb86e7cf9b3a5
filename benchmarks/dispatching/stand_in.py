"""The senders of all accounts, played by one process that answers each dispatch at once.

    python stand_in.py BOOTSTRAP_SERVERS TOPIC_PREFIX ACCOUNT...

A message whose id begins with `r-` is also `delivered` and `read`. Plain aiokafka, so that it costs little beside
the dispatcher. It knows only the records, and takes their code from the `streams` on its path: those of the
dispatcher that is measured.
"""

import asyncio
import sys
import time
from collections.abc import Iterator

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from streams.contract import account
from streams.contract.account import HEARTBEAT_INTERVAL_S, AccountRecord
from streams.contract.timestamps import format_rfc3339
from streams.domain.phone import events
from streams.domain.phone.events import Outcome, ReceiptSeen, Sent
from streams.domain.sending import command
from streams.domain.sending.command import SendCommand

RECEIPT_PREFIX = "r-"


async def main(servers: str, prefix: str, accounts: list[str]) -> None:
    """Answer until killed."""
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks=1, max_batch_size=1 << 18)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers, fetch_max_wait_ms=100, check_crcs=False, max_poll_records=2000
    )
    await producer.start()
    await consumer.start()
    consumer.assign([TopicPartition(f"{prefix}.internal.send.{name}", 0) for name in accounts])
    await consumer.seek_to_beginning()
    async with asyncio.TaskGroup() as group:
        group.create_task(repeat_heartbeats(producer, prefix, accounts))
        group.create_task(answer(consumer, producer, f"{prefix}.internal.phone"))


async def repeat_heartbeats(producer: AIOKafkaProducer, prefix: str, accounts: list[str]) -> None:
    """Each account is ready."""
    since = format_rfc3339(time.time())
    while True:
        for name in accounts:
            record = AccountRecord(account=name, state="ready", since=since)
            await producer.send(f"{prefix}.accounts", account.encode(record), key=name.encode())
        await asyncio.sleep(HEARTBEAT_INTERVAL_S)


async def answer(consumer: AIOKafkaConsumer, producer: AIOKafkaProducer, topic: str) -> None:
    """Each dispatch has been sent."""
    while True:
        for records in (await consumer.getmany(timeout_ms=1000)).values():
            for record in records:
                dispatched = command.decode(record.value or b"")
                for event in make_events(dispatched):
                    value = events.encode(event)
                    await producer.send(topic, value, key=dispatched.phone.encode())


def make_events(dispatched: SendCommand) -> Iterator[events.Event]:
    """What a sender and the recipient's phone report."""
    whatsapp_id, now_s = f"3EB0{dispatched.id}", time.time()
    yield Outcome(
        phone=dispatched.phone,
        id=dispatched.id,
        dispatch_number=dispatched.dispatch_number,
        account=dispatched.account,
        whatsapp_id=whatsapp_id,
        result=Sent(at_s=now_s),
        chat_id=f"{dispatched.phone[1:]}@c.us",
    )
    if dispatched.id.startswith(RECEIPT_PREFIX):
        for receipt in ("delivered", "read"):
            yield ReceiptSeen(
                phone=dispatched.phone,
                id=dispatched.id,
                account=dispatched.account,
                whatsapp_id=whatsapp_id,
                receipt=receipt,
                at_s=now_s,
            )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
