"""Producers that go on while everything is killed: one plain, one transactional."""

import asyncio
import random
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from streams.kafka.connection import client_options
from streams.settings import Settings

BATCH = 20


def make_requests(kind: str, count: int, phones: int) -> list[dict[str, Any]]:
    """`count` requests, numbered in order for each phone. Each producer has half of the phones."""
    half = phones // 2
    first = 0 if kind == "plain" else half
    return [
        {
            "id": f"{kind}-{n}",
            "to": f"+90555{1_000_000 + first + n % half}",
            "text": f"{kind}/{n}",
        }
        for n in range(count)
    ]


async def produce_plainly(
    settings: Settings, requests: list[dict[str, Any]], pause_s: float
) -> None:
    """Wait for the delivery of each record, also while the broker is restarted."""
    producer = AIOKafkaProducer(**client_options(settings), enable_idempotence=True)
    await producer.start()
    for start in range(0, len(requests), BATCH):
        batch = requests[start : start + BATCH]
        sent = [await _send(producer, settings, request) for request in batch]
        await asyncio.gather(*sent)
        await asyncio.sleep(pause_s)
    await producer.stop()


async def produce_in_transactions(
    settings: Settings, requests: list[dict[str, Any]], pause_s: float, dice: random.Random
) -> int:
    """Abort a fifth of the transactions, and repeat each of them; returns the number of aborted requests.

    A transaction that failed with the broker is repeated too: the request ids make that harmless.
    """
    aborted, start, tries = 0, 0, 0
    while start < len(requests):
        tries += 1
        batch = requests[start : start + BATCH]
        try:
            if dice.random() < 0.2:
                await _transaction(settings, tries, [_aborted(r) for r in batch], commit=False)
                aborted += len(batch)
                continue
            await _transaction(settings, tries, batch, commit=True)
        except (KafkaError, TimeoutError) as error:
            print(f"  a transaction failed ({type(error).__name__}), trying again", flush=True)
            continue
        start += BATCH
        await asyncio.sleep(pause_s)
    return aborted


async def _transaction(
    settings: Settings, number: int, batch: list[dict[str, Any]], *, commit: bool
) -> None:
    producer = AIOKafkaProducer(
        **client_options(settings), transactional_id="chaos", transaction_timeout_ms=10_000
    )
    await asyncio.wait_for(producer.start(), 30)
    try:
        await producer.begin_transaction()
        sent = [await _send(producer, settings, request) for request in batch]
        await asyncio.wait_for(asyncio.gather(*sent), 30)
        ending = producer.commit_transaction if commit else producer.abort_transaction
        await asyncio.wait_for(ending(), 30)
    finally:
        await asyncio.wait_for(producer.stop(), 30)


def _aborted(request: dict[str, Any]) -> dict[str, Any]:
    return request | {"id": f"aborted-{request['id']}", "text": "aborted"}


async def _send(
    producer: AIOKafkaProducer, settings: Settings, request: dict[str, Any]
) -> asyncio.Future[Any]:
    topic = f"{settings.topic_prefix}.outbound"
    return await producer.send(topic, orjson.dumps(request), key=request["to"].encode())
