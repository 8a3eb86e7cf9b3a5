"""The gate that writes pass."""

import asyncio

import pytest

from streams.runtime.gate import Gate


async def _settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_closed_at_first_and_open_for_all():
    gate, passed = Gate(), []

    async def pass_through(who: str) -> None:
        async with gate.enter():
            passed.append(who)

    tasks = [asyncio.ensure_future(pass_through(who)) for who in "ab"]
    await _settle()
    assert passed == []
    gate.open()
    await asyncio.gather(*tasks)
    assert passed == ["a", "b"]


async def test_closing_waits_for_those_inside_and_keeps_others_out():
    gate, leave = Gate(), asyncio.Event()
    gate.open()

    async def stay() -> None:
        async with gate.enter():
            await leave.wait()

    inside = asyncio.ensure_future(stay())
    await _settle()
    closing, late = asyncio.ensure_future(gate.close()), asyncio.ensure_future(stay())
    await _settle()
    assert not closing.done()
    leave.set()
    await closing
    assert inside.done() and not late.done()
    gate.open()
    await late


async def test_who_fails_inside_has_left():
    gate = Gate()
    gate.open()
    with pytest.raises(ValueError, match="inside"):
        async with gate.enter():
            raise ValueError("inside")
    await gate.close()
