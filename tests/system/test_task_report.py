"""The report of what tasks wait for: a loop that is idle for ever has no other trace."""

import asyncio

from streams.system.task_report import describe_tasks


async def wait_inside(event: asyncio.Event) -> None:
    await event.wait()


async def wait_outside(event: asyncio.Event) -> None:
    await wait_inside(event)


async def test_a_task_is_named_with_the_places_where_it_waits() -> None:
    """The innermost ones, also from another thread; a task that has ended is left out."""
    event = asyncio.Event()
    task = asyncio.create_task(wait_outside(event), name="waiter")
    await asyncio.sleep(0)
    lines = await asyncio.to_thread(describe_tasks, asyncio.get_running_loop())
    (line,) = [line for line in lines if line.startswith("waiter: ")]
    assert "wait_outside:" in line
    assert "wait_inside:" in line
    assert "Event.wait:" in line
    event.set()
    await task
    assert not [
        line for line in describe_tasks(asyncio.get_running_loop()) if line.startswith("waiter: ")
    ]
