"""A QR code as text for a terminal, and as a picture in a file. Knows nothing of what the code is for.

The error correction is the lowest: it makes the code small, and a screen has no scratches.
"""

import io
from pathlib import Path
from typing import Final

import segno

from streams.system.files import write_atomic

# Light modules around the code. The standard wants four; the scanners of phones need one, and get two.
_BORDER: Final = 2
_PICTURE_SCALE: Final = 8
# By whether the upper and the lower module of a cell are light. The text is light on dark.
_HALF_BLOCKS: Final = {
    (True, True): "█",
    (True, False): "▀",
    (False, True): "▄",
    (False, False): " ",
}


def render_qr(text: str, *, use_colors: bool) -> list[str]:
    """The lines of the code in half blocks: two rows of modules in one line.

    `use_colors` makes sure that it is light on dark, whatever the colours of the terminal are.
    """
    rows = [[not module for module in row] for row in _make(text).matrix_iter(border=_BORDER)]
    if len(rows) % 2:
        rows.append([False] * len(rows[0]))  # below the border: nothing
    lines = [
        "".join(_HALF_BLOCKS[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip(rows[::2], rows[1::2], strict=True)
    ]
    return [f"\x1b[97;40m{line}\x1b[0m" if use_colors else line for line in lines]


def write_png(text: str, path: Path) -> None:
    """Write the code as a picture that only its owner can read: who scans it gets the account's messages.

    Raises:
        OSError: the file cannot be written.
    """
    out = io.BytesIO()
    _make(text).save(out, kind="png", scale=_PICTURE_SCALE, border=4)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, out.getvalue(), mode=0o600)


def make_hyperlink(path: Path) -> str:
    """The address of the file, for a terminal on this machine or a browser."""
    return path.absolute().as_uri()


def _make(text: str) -> segno.QRCode:
    return segno.make_qr(text, error="l")
