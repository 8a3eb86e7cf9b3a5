"""Answers what people write to the accounts: `python reply_bot.py HOST:PORT`, until Ctrl-C.

Kafka keeps the position of the group `reply-bot`, so nothing is missed while the program is away. A message may come
twice; the answer's id follows from it, so it is answered once.
"""

import asyncio
import sys

from streams.client import PositionedMessage, WhatsApp

ANSWERS = {"hours": "We are open from 9 to 18.", "address": "Jalan Ampang 1, Kuala Lumpur"}
DEFAULT_ANSWER = "Write *hours* or *address*."


async def answer(whatsapp: WhatsApp, message: PositionedMessage) -> None:
    """Answer a text that a person wrote to an account, as a reply to it, from the same account."""
    if message.type != "text" or message.from_ is None or message.group is not None:
        return
    word = (message.body or "").strip().lower()
    await whatsapp.send(
        message.from_,
        ANSWERS.get(word, DEFAULT_ANSWER),
        id=f"reply-{message.whatsapp_id}",
        account=message.account,
        reply_to=message.whatsapp_id,
    )


async def main(kafka: str) -> None:
    """Answer for ever."""
    async with WhatsApp(kafka=kafka) as whatsapp:
        async for message in whatsapp.inbound(group="reply-bot"):
            await answer(whatsapp, message)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
