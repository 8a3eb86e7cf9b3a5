"""What `up` shows: the QR code whole or as a picture, never an expired one, and plain lines if drawing fails."""

import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import segno

from streams.cli import live_screen
from streams.cli.live_screen import LinkCode, Snapshot, render
from streams.cli.screen import LiveScreen, PlainScreen
from streams.local.status import ServiceStatus
from streams.system.qr_code import render_qr

# As long as WhatsApp's: six fields, about 240 characters.
QR = "2@" + "aB3/" * 59 + "xy"
CODE = LinkCode("main", QR, valid_until_s=10.0)
SERVICES = {
    name: ServiceStatus(name, 4711, "starting", 0, "waits for its account: linking")
    for name in ("kafka-1", "sandbox", "dispatch-1", "sender-main", "browser-main")
}
PICTURE = Path("/data/run/link.png")


def strip(line: str) -> str:
    """The line without its colours."""
    return re.sub(r"\x1b\[[0-9;]*m", "", line)


def count_blocks(lines: list[str]) -> int:
    """The lines that belong to a QR code."""
    return sum(line.startswith("\x1b[97;40m") for line in lines)


def test_half_blocks_are_the_code() -> None:
    """Each cell holds two modules; a light module is drawn."""
    matrix = list(segno.make_qr(QR, error="l").matrix_iter(border=2))
    lines = render_qr(QR, use_colors=False)
    upper = {"█": (False, False), "▀": (False, True), "▄": (True, False), " ": (True, True)}
    modules: list[list[bool]] = []
    for line in lines:
        pairs = [upper[cell] for cell in line]
        modules += [[pair[0] for pair in pairs], [pair[1] for pair in pairs]]
    assert modules[: len(matrix)] == [[bool(module) for module in row] for row in matrix]


@pytest.mark.parametrize("width", [20, 60, 61, 80, 200])
@pytest.mark.parametrize("height", [5, 24, 30, 33, 36, 40, 60])
def test_a_code_is_shown_whole_or_not_at_all(width: int, height: int) -> None:
    """Half a code is useless; without room the picture is named, and nothing is wider or higher."""
    snapshot = Snapshot(SERVICES, (CODE, LinkCode("sales-1", QR, 10.0)), "everything else is ready")
    lines = render(snapshot, width, height, 1.0, PICTURE)
    assert len(lines) <= height
    whole = len(render_qr(QR, use_colors=True))
    assert count_blocks(lines) in (0, whole)
    if count_blocks(lines) == 0 and height >= 24 and width >= 60:
        text = "\n".join(map(strip, lines))
        assert str(PICTURE) in text
        assert PICTURE.as_uri() in text
    if height >= 40 and width >= 80:
        assert count_blocks(lines) == whole


def test_an_expired_code_is_never_drawn() -> None:
    """Whatever else has failed, its own end counts."""
    snapshot = Snapshot(SERVICES, (CODE,), "waiting")
    assert count_blocks(render(snapshot, 80, 60, 9.9)) > 0
    assert count_blocks(render(snapshot, 80, 60, 10.1)) == 0


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Where a screen writes."""
    reader, descriptor = os.pipe()
    yield reader, descriptor
    os.close(reader)
    os.close(descriptor)


def test_a_picture_lives_as_long_as_its_code(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """Only its owner can read it, and it is removed when the code is scanned."""
    screen = LiveScreen(picture_dir=tmp_path, descriptor=pipe[1])
    screen.show_code("main", QR)
    assert any(str(tmp_path / "link.png") in line for line in screen.draw(120, 24))
    assert (tmp_path / "link.png").stat().st_mode & 0o777 == 0o600
    screen.show_code("main", None)
    screen.draw(120, 24)
    assert list(tmp_path.iterdir()) == []


def test_drawing_never_meets_a_change(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """The screen is drawn from one immutable value while services, codes and messages change."""
    screen = LiveScreen(picture_dir=tmp_path, descriptor=pipe[1])
    errors: list[Exception] = []
    is_done = threading.Event()

    def draw() -> None:
        try:
            while not is_done.is_set():
                screen.draw(80, 24)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails
            errors.append(error)

    thread = threading.Thread(target=draw)
    thread.start()
    for number in range(300):
        screen.show_service(ServiceStatus(f"service-{number}", number, "ready", 0))
        screen.show_code(f"account-{number}", QR if number % 2 else None)
        screen.show_message(str(number))
    is_done.set()
    thread.join()
    assert errors == []


def test_plain_lines_take_the_place_of_a_screen_that_fails(
    tmp_path: Path, pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The services go on, and what follows is still shown."""
    monkeypatch.setattr(live_screen, "render_table", lambda *_: 1 / 0)
    with LiveScreen(picture_dir=tmp_path, descriptor=pipe[1]) as screen:
        screen.show_service(ServiceStatus("kafka-1", 1, "ready", 0))
        screen._frames._thread.join(60.0)
        screen.show_service(ServiceStatus("sender-main", 2, "backoff", 1, "was killed"))
    text = os.read(pipe[0], 1 << 16).decode()
    assert "the live screen failed" in text
    assert "kafka-1 ready" in text
    assert "sender-main backoff, restarted 1 times: was killed" in text


def test_plain_codes_are_bounded(pipe: tuple[int, int]) -> None:
    """An account that nobody links for hours does not fill the log."""
    with PlainScreen(descriptor=pipe[1], use_colors=False) as screen:
        for number in range(100):
            screen.show_code("main", f"code-{number}")
    text = os.read(pipe[0], 1 << 20).decode()
    assert text.count("scan this code") == 12
    assert text.count("accounts link main") == 1
