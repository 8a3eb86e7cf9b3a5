"""The gate that writes pass."""

import asyncio

import pytest

from streams.runtime.gate import Gate


async def _run_ready_tasks() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_it_is_closed_at_first():
    """Tasks wait until the gate is opened, and all enter then."""
    gate, passed = Gate(), []

    async def pass_through(name: str) -> None:
        async with gate.enter():
            passed.append(name)

    tasks = [asyncio.ensure_future(pass_through(name)) for name in "ab"]
    await _run_ready_tasks()
    assert passed == []
    gate.open()
    await asyncio.gather(*tasks)
    assert passed == ["a", "b"]


async def test_closing_waits_for_tasks_inside_and_keeps_others_out():
    """`close` returns when the last task has left, and a late task waits for the next opening."""
    gate, leave = Gate(), asyncio.Event()
    gate.open()

    async def stay() -> None:
        async with gate.enter():
            await leave.wait()

    inside = asyncio.ensure_future(stay())
    await _run_ready_tasks()
    closing, late = asyncio.ensure_future(gate.close()), asyncio.ensure_future(stay())
    await _run_ready_tasks()
    assert not closing.done()
    leave.set()
    await closing
    assert inside.done() and not late.done()
    gate.open()
    await late


async def test_a_task_that_raises_inside_has_left():
    """An exception inside does not block a later `close`."""
    gate = Gate()
    gate.open()
    with pytest.raises(ValueError, match="inside"):
        async with gate.enter():
            raise ValueError("inside")
    await gate.close()
