"""Where the records of a LevelDB log end, for logs that were cut off anywhere. No browser."""

import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.whatsapp.web.browser.unfinished_records import (
    find_end_of_records,
    remove_unfinished_records,
)

BLOCK = 32_768
HEADER = 7
FULL, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def write_log(sizes: list[int]) -> tuple[bytes, list[int]]:
    """A log with records of these sizes, written as LevelDB's log_writer.cc does, and where each record ends."""
    content, ends = bytearray(), [0]
    for size in sizes:
        left, is_first = size, True
        while is_first or left:
            room = BLOCK - len(content) % BLOCK
            if room < HEADER:
                content += bytes(room)
                room = BLOCK
            length = min(left, room - HEADER)
            left -= length
            kind = (FULL if is_first else LAST) if left == 0 else (FIRST if is_first else MIDDLE)
            content += struct.pack("<IHB", 0xDEAD, length, kind) + b"d" * length
            is_first = False
        ends.append(len(content))
    return bytes(content), ends


@given(
    st.lists(
        st.one_of(st.integers(0, 300), st.integers(32_700, 32_770), st.integers(0, 100_000)),
        max_size=8,
    ),
    st.data(),
)
def test_a_log_that_was_cut_off_ends_behind_its_last_complete_record(
    sizes: list[int], data: st.DataObject
) -> None:
    """Everywhere but in the padding of a block, which LevelDB completes."""
    content, ends = write_log(sizes)
    cut = data.draw(st.integers(0, len(content)))
    last = max(end for end in ends if end <= cut)
    is_padding = BLOCK - last % BLOCK < HEADER and cut <= last + BLOCK - last % BLOCK
    assert find_end_of_records(content[:cut]) == (cut if is_padding else last)


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(struct.pack("<IHB", 0, 0, 0), id="zeros, as after a power cut"),
        pytest.param(struct.pack("<IHB", 1, 10, 9), id="an unknown type"),
        pytest.param(struct.pack("<IHB", 1, 65_000, FULL), id="a fragment longer than a block"),
    ],
)
@pytest.mark.parametrize("size", [0, 20_000, 40_000, 70_000])
def test_damage_is_left_to_leveldb(damage: bytes, size: int) -> None:
    """It may be able to read on behind it."""
    content = write_log([100])[0] + damage + bytes(size)
    assert find_end_of_records(content) == len(content)


def test_all_databases_of_a_profile_are_looked_at(tmp_path: Path) -> None:
    """A folder is one if it has a CURRENT; other files with such names are not touched."""
    complete, _ = write_log([100, 40_000])
    database = tmp_path / "Default" / "Local Storage" / "leveldb"
    other = tmp_path / "Default" / "chrome_debug"
    for folder in (database, other):
        folder.mkdir(parents=True)
        (folder / "000003.log").write_bytes(complete + complete[:50])
    (database / "CURRENT").write_text("MANIFEST-000001\n")
    (database / "MANIFEST-000001").write_bytes(complete + complete[:3])
    assert remove_unfinished_records(tmp_path) == 53
    assert (
        (database / "000003.log").read_bytes()
        == (database / "MANIFEST-000001").read_bytes()
        == complete
    )
    assert (other / "000003.log").read_bytes() == complete + complete[:50]
    assert remove_unfinished_records(tmp_path) == 0
