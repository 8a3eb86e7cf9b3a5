"""A real dispatcher and a real broker whose wall clocks are set while they run, and before they start."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.support.caller import Caller
from tests.support.clock.stack import DAY_S, HOUR_S, Conversation, Stack, run_stack

pytestmark = pytest.mark.broker


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """The dispatcher is started with a clock that is ten minutes fast."""
    with run_stack(tmp_path_factory.mktemp("stepped"), dispatcher_offset_s=600.0) as stack:
        yield stack


@pytest.fixture
async def conversation(stack: Stack) -> AsyncIterator[Conversation]:
    async with Caller(stack.system.settings).open() as caller:
        conversation = Conversation(stack, caller)
        await conversation.start()
        yield conversation


async def test_the_clock_of_a_dispatcher_decides_nothing(
    stack: Stack, conversation: Conversation
) -> None:
    """It may be fast at the start, and be set in both directions: the limit holds, and all others are served."""
    phone = await conversation.fill()
    await conversation.check_prompt()
    for offset_s in (630.0, -31.0, -DAY_S, DAY_S, 0.0):
        stack.dispatcher_clock.set(offset_s)
        await conversation.check_quiet(phone)
        await conversation.check_prompt()
    assert await conversation.read_metric("wa_broker_clock_jumps_total") == 0


async def test_a_jump_of_the_brokers_clock_lets_nothing_through(
    stack: Stack, conversation: Conversation
) -> None:
    """An hour ahead and two back: the limit holds, all others are served, and it is counted and logged."""
    phone = await conversation.fill()
    jumps_before = await conversation.read_metric("wa_broker_clock_jumps_total")
    for step_s in (HOUR_S, -2 * HOUR_S):
        stack.broker_clock.step(step_s)
        await conversation.check_quiet(phone)
        await conversation.check_prompt()
        jumps_before += 1
        assert await conversation.read_metric("wa_broker_clock_jumps_total") == jumps_before
    assert stack.dispatcher.log.read_text().count("the broker's clock") == 1, "one line a minute"
