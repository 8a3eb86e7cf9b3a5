"""Frames and lines are written by a thread: whatever the terminal does, the program goes on."""

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from streams.system.terminal import FrameWriter, LineWriter
from tests.support.waiting import wait_until

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@dataclass
class Pty:
    """A terminal; `read` is what a person sees."""

    master: int
    slave: int

    def read(self) -> str:
        return os.read(self.master, 1 << 16).decode()


def wait_for_threads(name: str) -> None:
    """A thread that still writes must not meet the next file that gets the number of its descriptor."""
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(60.0)
            assert not thread.is_alive()


@pytest.fixture
def pty() -> Iterator[Pty]:
    """A terminal that the test reads, or does not read."""
    master, slave = os.openpty()
    yield Pty(master, slave)
    os.close(master)  # ends a blocked write
    wait_for_threads("screen")
    os.close(slave)


def make_writer(pty: Pty, render: object, errors: list[Exception]) -> FrameWriter:
    """A writer with short intervals."""
    return FrameWriter(
        render,  # pyright: ignore[reportArgumentType]
        descriptor=pty.slave,
        on_failure=errors.append,
        interval_s=0.01,
        redraw_interval_s=60.0,
    )


def test_frames_leave_nothing_in_the_scrollback(pty: Pty) -> None:
    """They are on the alternate screen, which is left at the end, and never larger than the terminal."""
    writer = make_writer(pty, lambda _columns, lines: ["row"] * (lines + 10), [])
    writer.start()
    writer.stop()
    drawn = pty.read()
    assert drawn.startswith(ENTER)
    assert drawn.endswith(LEAVE)
    assert drawn.count("row") == 24
    assert "\n\x1b[J" not in drawn


async def test_a_frame_that_cannot_be_rendered_gives_the_terminal_back(pty: Pty) -> None:
    """The program learns of it, and the alternate screen does not stay."""
    errors: list[Exception] = []
    writer = make_writer(pty, lambda _columns, _lines: 1 / 0, errors)
    writer.start()
    await wait_until(lambda: errors)
    assert pty.read().endswith(LEAVE)
    writer.stop()


def test_a_terminal_that_takes_nothing_does_not_hold_up_the_exit(pty: Pty) -> None:
    """A person has pressed Ctrl-S: `stop` returns after its timeout."""
    writer = make_writer(pty, lambda _columns, _lines: ["x" * 200_000], [])
    writer.start()
    writer.stop(timeout_s=0.1)
    assert "screen" in [thread.name for thread in threading.enumerate()]  # it was not waited for


def test_lines_are_written_in_order() -> None:
    """Also those that still wait when the writer is stopped."""
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor)
    writer.start()
    for number in range(100):
        writer.write(str(number))
    writer.stop(timeout_s=10.0)
    assert os.read(reader, 1 << 16).decode().split() == [str(number) for number in range(100)]
    os.close(reader)
    os.close(descriptor)


def test_a_slow_or_closed_pipe_holds_up_nothing() -> None:
    """The oldest lines are left out, and nothing is raised."""
    reader, descriptor = os.pipe()
    writer = LineWriter(descriptor, max_waiting=10)
    writer.start()
    for _ in range(100):
        writer.write("x" * 10_000)
    writer.stop(timeout_s=0.1)
    os.close(reader)  # ends the blocked write with EPIPE
    wait_for_threads("lines")
    writer.write("nobody reads this")
    os.close(descriptor)
