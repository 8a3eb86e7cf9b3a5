"""A message that is given to the page ahead of its turn, on the fake in memory and on the real browser."""

import asyncio
from dataclasses import replace

import pytest

from streams.whatsapp.driver import (
    InDoubt,
    MessageNotFound,
    NotBegun,
    NotSubmitted,
    ServerAccepted,
    ServerRefused,
    Submission,
)
from tests.support.browser import PEER_CHAT, make_text
from tests.support.pages.driver_worlds import World
from tests.support.waiting import wait_until

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ahead(submission: Submission, after: str, *, timeout_s: float = 20.0) -> Submission:
    """The same, to be submitted after this message."""
    return replace(submission, after=after, after_timeout_s=timeout_s)


async def test_messages_go_in_their_order(world: World) -> None:
    """Each is accepted, and arrives after the one before it."""
    ids = [f"3EB0AE0{number}" for number in range(4)]
    first, *others = [make_text(whatsapp_id) for whatsapp_id in ids]
    chain = [
        first,
        *(ahead(each, previous) for each, previous in zip(others, ids, strict=False)),
    ]
    results = await asyncio.gather(*(world.driver.submit(each) for each in chain))
    assert all(isinstance(result, ServerAccepted) for result in results)
    assert await world.arrived_ids() == ids


async def test_after_a_message_that_was_accepted_before(world: World) -> None:
    """It need not wait."""
    await world.driver.submit(make_text("3EB0AE10"))
    result = await world.driver.submit(ahead(make_text("3EB0AE11"), "3EB0AE10"))
    assert isinstance(result, ServerAccepted)


async def test_after_a_refusal_nothing_is_begun(world: World) -> None:
    """Neither the next message nor the one behind it; each can be submitted later."""
    await world.refuse_next_submit()
    refused, second, third = await asyncio.gather(
        world.driver.submit(make_text("3EB0AE20")),
        world.driver.submit(ahead(make_text("3EB0AE21"), "3EB0AE20")),
        world.driver.submit(ahead(make_text("3EB0AE22"), "3EB0AE21")),
    )
    assert isinstance(refused, ServerRefused)
    assert (second, third) == (NotBegun(), NotBegun())
    assert await world.driver.find_message("3EB0AE21", PEER_CHAT) == MessageNotFound()
    assert await world.arrived_ids() == []
    assert isinstance(await world.driver.submit(make_text("3EB0AE21")), ServerAccepted)
    assert await world.arrived_ids() == ["3EB0AE21"]


async def test_after_a_refusal_nothing_follows_another_message(world: World) -> None:
    """A late message is refused while another one is sent: what waits behind that one asks for permission again."""
    release = await world.delay_next_ack()
    in_flight = asyncio.create_task(world.driver.submit(make_text("3EB0AE25")))

    async def has_arrived() -> bool:
        return await world.arrived_ids() == ["3EB0AE25"]

    await wait_until(has_arrived)
    behind = asyncio.create_task(world.driver.submit(ahead(make_text("3EB0AE26"), "3EB0AE25")))
    await world.refuse_next_submit()
    assert isinstance(await world.driver.submit(make_text("3EB0AE27")), ServerRefused)
    release()
    assert await behind == NotBegun()
    assert isinstance(await in_flight, ServerAccepted)
    handed_over_too_late = ahead(make_text("3EB0AE28"), "3EB0AE25")
    assert await world.driver.submit(handed_over_too_late) == NotBegun()
    assert await world.arrived_ids() == ["3EB0AE25"]


async def test_after_a_late_refusal_nothing_follows_another_message(world: World) -> None:
    """No submit waits for the refused message any more, and the account may be restricted all the same."""
    refuse = await world.refuse_next_submit_late()
    late = make_text("3EB0AE70", ack_timeout_s=0.3)
    assert isinstance(await world.driver.submit(late), InDoubt)
    release = await world.delay_next_ack()
    in_flight = asyncio.create_task(world.driver.submit(make_text("3EB0AE71")))
    behind = asyncio.create_task(world.driver.submit(ahead(make_text("3EB0AE72"), "3EB0AE71")))

    async def has_arrived() -> bool:
        return await world.arrived_ids() == ["3EB0AE71"]

    await wait_until(has_arrived)
    refuse()
    release()
    assert await behind == NotBegun()
    assert isinstance(await in_flight, ServerAccepted)
    assert await world.arrived_ids() == ["3EB0AE71"]


async def test_the_sender_stops_what_waits(world: World) -> None:
    """What the page has begun goes on. Nothing follows it, until the sender submits it anew."""
    release = await world.delay_next_ack()
    in_flight = asyncio.create_task(world.driver.submit(make_text("3EB0AE80")))
    behind = asyncio.create_task(world.driver.submit(ahead(make_text("3EB0AE81"), "3EB0AE80")))

    async def has_arrived() -> bool:
        return await world.arrived_ids() == ["3EB0AE80"]

    await wait_until(has_arrived)
    await world.driver.stop_turns()
    assert await behind == NotBegun()
    release()
    assert isinstance(await in_flight, ServerAccepted)
    assert await world.arrived_ids() == ["3EB0AE80"]
    assert isinstance(await world.driver.submit(make_text("3EB0AE81")), ServerAccepted)


async def test_behind_a_lost_ack_the_time_passes(world: World) -> None:
    """The message in doubt is not followed by one that was given to the page ahead."""
    await world.lose_next_ack()
    doubtful, late = await asyncio.gather(
        world.driver.submit(make_text("3EB0AE30", ack_timeout_s=0.5)),
        world.driver.submit(ahead(make_text("3EB0AE31"), "3EB0AE30", timeout_s=0.1)),
    )
    assert isinstance(doubtful, InDoubt)
    assert late == NotBegun()
    assert await world.driver.find_message("3EB0AE31", PEER_CHAT) == MessageNotFound()


async def test_an_unknown_message_before_it(world: World) -> None:
    """A page that does not know whether it was accepted begins nothing."""
    result = await world.driver.submit(ahead(make_text("3EB0AE40"), "3EB0AE4F"))
    assert result == NotBegun()


async def test_its_deadline_holds_when_its_turn_comes(world: World) -> None:
    """The page looks at the clock after the wait."""
    submissions = [make_text("3EB0AE50"), make_text("3EB0AE51", deadline_in_s=-0.01)]
    _, late = await asyncio.gather(
        world.driver.submit(submissions[0]),
        world.driver.submit(ahead(submissions[1], "3EB0AE50")),
    )
    assert isinstance(late, NotSubmitted)
    assert late.code == "timeout_before_submit"
    assert await world.arrived_ids() == ["3EB0AE50"]


async def test_two_submits_of_one_id_ahead(world: World) -> None:
    """One message arrives, whichever of them comes first."""
    second = ahead(make_text("3EB0AE61"), "3EB0AE60")
    results = await asyncio.gather(
        world.driver.submit(make_text("3EB0AE60")),
        world.driver.submit(second),
        world.driver.submit(second),
    )
    assert isinstance(results[0], ServerAccepted)
    assert any(isinstance(result, ServerAccepted) for result in results[1:])
    assert await world.arrived_ids() == ["3EB0AE60", "3EB0AE61"]
