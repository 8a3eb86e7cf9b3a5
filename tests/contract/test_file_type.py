"""What some bytes are: each format that WhatsApp's users send, and bytes that only look like one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract.request import file_type
from tests.contract.file_samples import FILES


@pytest.mark.parametrize(("data", "media_type"), FILES.values(), ids=list(FILES))
def test_each_format_is_detected(data: bytes, media_type: str | None) -> None:
    """The first bytes are enough, and a text is a text whatever its first letters are."""
    assert file_type.detect(data) == media_type


@given(st.binary(max_size=64) | st.text(max_size=40).map(str.encode))
def test_any_bytes_have_one_answer(data: bytes) -> None:
    """Nothing raises, and the answer is a media type."""
    media_type = file_type.detect(data)
    assert media_type == file_type.detect(data)
    assert media_type is None or media_type.count("/") == 1


def test_a_hostile_text_is_read_in_no_time() -> None:
    """Comments without end, and thousands of them, cost one pass."""
    assert file_type.detect(b"<!--" * 2048) == "text/plain"
    assert file_type.detect(b"<!---->" * 1000 + b"<html>") == "text/html"


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("bill.PDF", "application/pdf"),
        ("photo.jpeg", "image/jpeg"),
        ("letter.docx", FILES["docx"][1]),
        ("list.csv", "text/csv"),
        ("sticker.webp", "image/webp"),
        ("report.v2", None),
        (".pdf", None),
        ("pdf", None),
    ],
)
def test_a_name_stands_for_a_type(name: str, media_type: str | None) -> None:
    """The extension counts, on every host in the same way."""
    assert file_type.get_type_of_name(name) == media_type


@pytest.mark.parametrize("name", FILES)
def test_each_detected_type_has_an_extension_that_stands_for_it(name: str) -> None:
    """A name that is completed is understood by the same table."""
    media_type = FILES[name][1]
    if media_type is None:
        return
    extension = file_type.get_extension(media_type)
    of_name = file_type.get_type_of_name(f"a.{extension}")
    base = media_type.partition(";")[0]
    assert of_name is not None
    assert (
        of_name == base or file_type.get_family(of_name) == file_type.get_family(base) is not None
    )
