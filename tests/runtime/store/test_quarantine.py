"""Setting a store aside: once, under a name with the date, with few copies kept."""

from pathlib import Path

import pytest

from streams.runtime.store import quarantine


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "rows-3.db"
    store.mkdir()
    (store / "CURRENT").write_text("damaged")
    return store


def test_a_damaged_store_is_renamed_and_counted(store: Path):
    """Its content is kept, and an empty folder takes its place."""
    copy = quarantine.set_aside(store)
    assert copy.name.startswith("rows-3.db.damaged-2")
    assert (copy / "CURRENT").read_text() == "damaged"
    assert not (store / "CURRENT").exists()
    assert quarantine.count_rebuilds(store.parent) == 1


def test_a_rebuilt_store_is_not_set_aside_again_at_once(store: Path):
    """Otherwise a broken disk would mean an endless loop of rebuilds."""
    quarantine.set_aside(store)
    with pytest.raises(quarantine.DamagedAgain):
        quarantine.set_aside(store)
    assert quarantine.count_rebuilds(store.parent) == 1


def test_a_store_that_proved_itself_is_set_aside_again(store: Path):
    """And only the last copy is kept: the disk must not fill."""
    quarantine.set_aside(store)
    quarantine.end_probation(store)
    last_copy = quarantine.set_aside(store)
    copies = [path for path in store.parent.iterdir() if "damaged" in path.name]
    assert copies == [last_copy]
    assert quarantine.count_rebuilds(store.parent) == 2


def test_a_person_who_deletes_the_store_allows_another_rebuild(store: Path):
    """The mark is inside the folder that the log line names."""
    quarantine.set_aside(store)
    for file in store.iterdir():
        file.unlink()
    assert not quarantine.is_on_probation(store)


def test_a_mark_survives_the_process_that_found_the_damage(store: Path):
    """The next process reads why; the successor of the store has no such mark."""
    assert quarantine.read_damage(store) is None
    quarantine.mark_damaged(store, "block checksum mismatch")
    assert quarantine.read_damage(store) == "block checksum mismatch"
    quarantine.set_aside(store)
    assert quarantine.read_damage(store) is None
