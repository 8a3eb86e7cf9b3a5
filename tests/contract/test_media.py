"""The media type and name that a file gets, and the files that are refused: point by point, without a broker."""

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.contract.errors import InvalidRequest
from streams.contract.request import media
from streams.contract.request.content import (
    CONTENT_KINDS,
    MEDIA_CLASSES,
    MediaContent,
    decode,
    encode,
)
from tests.contract.file_samples import FILES

CLASSES = {kind.__struct_config__.tag: kind for kind in MEDIA_CLASSES}


def make_content(kind: str, file: str, **fields: Any) -> MediaContent:
    return CLASSES[kind](data=base64.b64encode(FILES[file][0]).decode(), **fields)


# kind, file, fields of the request: media type, file name
COMPLETED: dict[tuple[str, str], list[tuple[dict[str, Any], str, str]]] = {
    ("image", "jpeg"): [
        ({}, "image/jpeg", "image.jpg"),
        ({"mime": "application/octet-stream"}, "image/jpeg", "image.jpg"),
        ({"mime": "image/jpg", "filename": "a.jpeg"}, "image/jpeg", "a.jpeg"),
        ({"mime": "IMAGE/JPEG"}, "image/jpeg", "image.jpg"),
        ({"filename": "photo"}, "image/jpeg", "photo.jpg"),
        ({"filename": "photo.png"}, "image/jpeg", "photo.png.jpg"),
        ({"filename": "x" * 255}, "image/jpeg", "x" * 251 + ".jpg"),
    ],
    ("image", "heic"): [({"mime": "image/heif"}, "image/heic", "image.heic")],
    ("image", "unknown bytes"): [
        ({"mime": "image/png"}, "image/png", "image.png"),
        ({"filename": "a.png"}, "image/png", "a.png"),
    ],
    ("video", "mp4"): [({}, "video/mp4", "video.mp4")],
    ("video", "3gp"): [({"mime": "video/mp4"}, "video/3gpp", "video.3gp")],
    ("video", "quicktime"): [({"filename": "a.mov"}, "video/quicktime", "a.mov")],
    ("audio", "mp4 with sound alone"): [
        ({}, "audio/mp4", "audio.m4a"),
        ({"mime": "video/mp4"}, "audio/mp4", "audio.m4a"),
    ],
    ("audio", "webm with sound alone"): [({"mime": "audio/webm"}, "audio/webm", "audio.webm")],
    ("audio", "m4a"): [({"mime": "audio/x-m4a"}, "audio/mp4", "audio.m4a")],
    ("audio", "mp3"): [({"mime": "audio/mp3"}, "audio/mpeg", "audio.mp3")],
    ("audio", "wav"): [({"mime": "audio/x-wav", "voice": True}, "audio/wav", "audio.wav")],
    ("audio", "opus"): [
        ({"voice": True}, "audio/ogg; codecs=opus", "audio.ogg"),
        ({"mime": "audio/ogg"}, "audio/ogg; codecs=opus", "audio.ogg"),
        ({"mime": "audio/opus", "filename": "a.opus"}, "audio/ogg; codecs=opus", "a.opus"),
    ],
    ("audio", "vorbis"): [({"voice": True}, "audio/ogg", "audio.ogg")],
    ("audio", "unknown bytes"): [
        ({"mime": "audio/ogg", "voice": True}, "audio/ogg; codecs=opus", "audio.ogg"),
    ],
    ("sticker", "webp"): [({}, "image/webp", "sticker.webp")],
    ("document", "pdf"): [
        ({}, "application/pdf", "document.pdf"),
        ({"filename": "bill 8841 (copy)"}, "application/pdf", "bill 8841 (copy).pdf"),
        ({"filename": ".."}, "application/pdf", "document.pdf"),
        ({"filename": "report.v2"}, "application/pdf", "report.v2.pdf"),
        ({"filename": "bill 🧾.pdf"}, "application/pdf", "bill 🧾.pdf"),
        ({"mime": "application/pdf; version=1.4"}, "application/pdf; version=1.4", "document.pdf"),
    ],
    ("document", "docx"): [
        ({}, FILES["docx"][1] or "", "document.docx"),
        ({"mime": "application/msword", "filename": "a.docx"}, "application/msword", "a.docx"),
    ],
    ("document", "text"): [
        ({}, "text/plain", "document.txt"),
        ({"filename": "list.csv"}, "text/csv", "list.csv"),
        ({"filename": "notes.md", "mime": "text/plain"}, "text/plain", "notes.md"),
        ({"filename": "bill.pdf"}, "text/plain", "bill.pdf.txt"),
    ],
    ("document", "zip"): [
        ({"mime": "application/vnd.android.package-archive", "filename": "a.apk"},
         "application/vnd.android.package-archive", "a.apk"),
    ],
    ("document", "mp4"): [({}, "video/mp4", "document.mp4")],
    ("document", "unknown bytes"): [
        ({}, "application/octet-stream", "document"),
        ({"filename": "zeros.bin"}, "application/octet-stream", "zeros.bin"),
        ({"filename": "old.doc"}, "application/msword", "old.doc"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "file", "fields", "media_type", "name"),
    [(*key, *case) for key, cases in COMPLETED.items() for case in cases],
)
def test_a_file_gets_a_type_and_a_name(
    kind: str, file: str, fields: dict[str, Any], media_type: str, name: str
) -> None:
    """From its bytes, what the caller says, its name and its kind; completing it again changes nothing."""
    completed = media.complete(make_content(kind, file, **fields))
    assert (completed.mime, completed.filename) == (media_type, name)
    assert media.complete(completed) == completed


# kind, file, `mime`: the beginning of the error's detail
REFUSED = {
    ("image", "pdf", None): "content.data: is application/pdf, which cannot be sent as an image",
    ("image", "pdf", "image/png"): "content.data: is application/pdf",
    ("image", "html", "image/jpeg"): "content.data: is text/html",
    ("image", "json", None): "content.data: is text/plain",
    ("image", "mp4", None): "content.data: is video/mp4",
    ("image", "jpeg", "application/pdf"): "content.mime: is not a type of an image",
    ("image", "jpeg", "image/png"): "content.mime: contradicts content.data, which is image/jpeg",
    ("image", "unknown bytes", None): "content.data: is not known to be an image",
    ("image", "unknown bytes", "application/octet-stream"): "content.data: is not known",
    ("image", "unknown bytes", "video/mp4"): "content.mime: is not a type of an image",
    ("video", "html", None): "content.data: is text/html, which cannot be sent as a video",
    ("video", "gif", None): "content.data: is image/gif",
    ("video", "m4a", None): "content.data: is audio/mp4",
    ("video", "opus", "video/mp4"): "content.data: is audio/ogg",
    ("video", "webm", "video/mp4"): "content.mime: contradicts content.data, which is video/webm",
    ("audio", "mp4", None): "content.data: is video/mp4, which cannot be sent as audio",
    ("audio", "webm", None): "content.data: is video/webm",
    ("audio", "mp3", "audio/ogg"): "content.mime: contradicts content.data, which is audio/mpeg",
    ("audio", "zip", None): "content.data: is application/zip",
    (
        "sticker",
        "png",
        None,
    ): "content.data: is image/png, which cannot be sent as a sticker (WebP)",
    ("sticker", "unknown bytes", "image/png"): "content.mime: is not a type of a sticker (WebP)",
    (
        "document",
        "html",
        "application/pdf",
    ): "content.mime: contradicts content.data, which is text/html",
    ("document", "jpeg", "application/pdf"): "content.mime: contradicts",
    ("document", "png", "text/csv"): "content.mime: contradicts",
}


@pytest.mark.parametrize(("case", "detail"), REFUSED.items(), ids=str)
def test_a_contradiction_is_refused(case: tuple[str, str, str | None], detail: str) -> None:
    """The detail names the field and what the bytes are, and repeats nothing of the caller."""
    kind, file, mime = case
    with pytest.raises(InvalidRequest) as raised:
        media.complete(make_content(kind, file, mime=mime))
    assert raised.value.code == "schema_violation"
    assert raised.value.detail.startswith(detail)


def test_only_audio_is_a_voice_message() -> None:
    """WhatsApp Web would prepare a picture as sound."""
    with pytest.raises(InvalidRequest, match=r"content\.voice: is only for audio"):
        media.complete(make_content("image", "png", voice=True))
    assert media.complete(make_content("image", "png", voice=False)).mime == "image/png"


@pytest.mark.parametrize("file", FILES)
def test_each_file_can_be_sent_as_a_document(file: str) -> None:
    """A document may be anything."""
    completed = media.complete(make_content("document", file))
    assert completed.mime == (FILES[file][1] or "application/octet-stream")


@pytest.mark.parametrize(
    ("file", "name", "kind"),
    [
        ("jpeg", "a.png", "image"),
        ("heic", "a.heic", "document"),
        ("svg", "a.svg", "document"),
        ("mp4", "a.mp4", "video"),
        ("mp4 with sound alone", "a.mp4", "audio"),
        ("opus", "a", "audio"),
        ("pdf", "a.jpg", "document"),
        ("unknown bytes", "a.jpg", "image"),
        ("unknown bytes", "a", "document"),
        ("text", "a.txt", "document"),
    ],
)
def test_a_file_has_a_kind_that_accepts_it(file: str, name: str, kind: str) -> None:
    """What `send --file` chooses is never refused."""
    assert media.choose_kind(FILES[file][0], name) == kind
    assert media.complete(make_content(kind, file, filename=name)).mime


TYPES = st.sampled_from(
    [
        "image/png",
        "IMAGE/JPG;a=b",
        "audio/ogg; codecs=opus",
        "video/mp4",
        "application/ogg",
        "text/csv",
    ]
) | st.from_regex(r"[a-z]{1,9}/[a-z.+-]{1,9}(;[ -~]{1,9})?", fullmatch=True)
NAMES = st.from_regex(r"[a-zü .]{1,250}(\.(pdf|jpg|PNG|docx|x|opus))?", fullmatch=True)


@given(
    st.sampled_from(sorted(CLASSES)),
    st.sampled_from([data for data, _ in FILES.values()]) | st.binary(min_size=1, max_size=20),
    st.none() | TYPES,
    st.none() | NAMES,
    st.booleans(),
)
def test_any_file_is_refused_or_completed_for_good(
    kind: str, data: bytes, mime: str | None, filename: str | None, voice: bool
) -> None:
    """What is completed is a valid content of its kind; completed again, it stays the same."""
    encoded = base64.b64encode(data).decode()
    fields: dict[str, Any] = {"mime": mime, "filename": filename, "voice": voice}
    try:
        completed = media.complete(CLASSES[kind](data=encoded, **fields))
    except InvalidRequest:
        return
    assert completed.mime
    assert completed.filename
    assert decode(encode(completed)) == completed
    assert media.complete(completed) == completed


def test_all_kinds_of_media_are_tested() -> None:
    """A new kind of media needs its rules, and a line in both tables."""
    assert {case[0] for case in COMPLETED} == set(CLASSES) <= set(CONTENT_KINDS)
    assert {case[0] for case in REFUSED} == set(CLASSES)
