"""Writes to a terminal or a pipe from a thread, so that a reader that stops reading holds up nothing.

A person presses Ctrl-S, a pager waits, a disk is full: the thread waits or ends, and the program goes on.
Nothing here raises into the program.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

# The arguments are the columns and lines of the terminal. At most so many lines are drawn.
Render = Callable[[int, int], list[str]]

_ENTER: Final = "\x1b[?1049h\x1b[?25l\x1b[2J"  # the alternate screen, without a cursor
_LEAVE: Final = "\x1b[?25h\x1b[?1049l"
_MIN_COLUMNS: Final = 20
_MIN_LINES: Final = 5


class FrameWriter:
    """Draws frames on the alternate screen of a terminal: they leave nothing in its scrollback.

    `render` runs in the thread. If it raises, the terminal is given back and `on_failure` is called there.
    """

    def __init__(
        self,
        render: Render,
        *,
        descriptor: int,
        on_failure: Callable[[Exception], None],
        interval_s: float = 0.25,
        redraw_interval_s: float = 1.0,
    ) -> None:
        self._render = render
        self._descriptor = descriptor
        self._on_failure = on_failure
        self._interval_s = interval_s
        self._redraw_interval_s = redraw_interval_s
        self._stop_requested = threading.Event()
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def start(self) -> None:
        """Begin to draw."""
        self._thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Give the terminal back. A terminal that takes nothing keeps its last frame."""
        self._stop_requested.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            _write_all(self._descriptor, _ENTER)
            try:
                self._draw_until_stopped()
            finally:
                _write_all(self._descriptor, _LEAVE)
        except OSError:  # the terminal is gone: there is nobody to show anything to
            return
        except Exception as error:
            log.exception("the screen failed")
            self._on_failure(error)

    def _draw_until_stopped(self) -> None:
        last_frame, drawn_at_s = None, 0.0
        last_size: os.terminal_size | None = None
        while True:
            size = _get_size(self._descriptor)
            frame = self._make_frame(size)
            is_redraw_due = time.monotonic() - drawn_at_s > self._redraw_interval_s
            if frame != last_frame or size != last_size or is_redraw_due:
                clear = "" if size == last_size else "\x1b[2J"
                _write_all(self._descriptor, clear + frame)
                last_frame, last_size, drawn_at_s = frame, size, time.monotonic()
            if self._stop_requested.wait(self._interval_s):
                return

    def _make_frame(self, size: os.terminal_size) -> str:
        """All lines from the top; each clears the rest of its line, the last one the rest of the screen."""
        lines = self._render(size.columns, size.lines)[: size.lines]
        return "\x1b[H" + "\r\n".join(f"{line}\x1b[0m\x1b[K" for line in lines) + "\x1b[J"


class LineWriter:
    """Writes lines in order. If the reader is slow for long, the oldest lines are left out."""

    def __init__(self, descriptor: int, *, max_waiting: int = 2000) -> None:
        self._descriptor = descriptor
        self._waiting: deque[str] = deque(maxlen=max_waiting)
        self._changed = threading.Condition()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="lines", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def write(self, line: str) -> None:
        """Write this line soon."""
        with self._changed:
            self._waiting.append(line)
            self._changed.notify()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Write what waits, unless the reader does not take it in time."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while (text := self._take()) is not None:
                _write_all(self._descriptor, text)
        except OSError:  # the reader has closed the pipe, or the disk is full
            return

    def _take(self) -> str | None:
        """All lines that wait, once there is one; None when it has stopped."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_stopping)
            if not self._waiting:
                return None
            text = "".join(f"{line}\n" for line in self._waiting)
            self._waiting.clear()
            return text


def _write_all(descriptor: int, text: str) -> None:
    """Write past Python's buffer: a thread that is stuck in a buffered write would hold up the exit."""
    data = text.encode(errors="replace")
    while data:
        data = data[os.write(descriptor, data) :]


def _get_size(descriptor: int) -> os.terminal_size:
    """The size; a terminal that does not tell it has zero columns and lines."""
    try:
        columns, lines = os.get_terminal_size(descriptor)
    except OSError:
        columns, lines = 0, 0
    return os.terminal_size((max(columns or 80, _MIN_COLUMNS), max(lines or 24, _MIN_LINES)))
