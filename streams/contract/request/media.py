"""The media type and the name of a file that is to be sent: completed from its bytes, or refused as a contradiction.

WhatsApp Web needs a media type that fits the kind of the message; without one it sends a nameless file that no phone
opens. The bytes decide for images, videos, audio and stickers. For a document the caller decides, then the name, then
the bytes. Nothing is converted. Pure.

    the bytes are                 and                               answer
    ---------------------------   -------------------------------   -------------------------------------------
    of another kind               any                               refused: a PDF is not an image
    known                         `mime` names another format       refused
    of an unknown format          neither `mime` nor name says      refused, unless it is a document
                                  what they are
    anything else                                                   accepted, with type and name
"""

import binascii
from mmap import mmap
from types import MappingProxyType
from typing import Final, TypeAlias

from msgspec.structs import replace

from streams.contract.errors import InvalidRequest
from streams.contract.request import file_type
from streams.contract.request.content import MAX_FILENAME_CHARACTERS, MediaContent

FileBytes: TypeAlias = bytes | mmap
# WhatsApp's own limits by kind, in MiB (source: WAWebMediaGatingUtils; stickers: its sticker apps).
MAX_MB_BY_KIND: Final = MappingProxyType(
    {"image": 100, "video": 100, "audio": 100, "document": 2048, "sticker": 1}
)
_DOCUMENT: Final = "document"
_DEFAULT_TYPE: Final = "application/octet-stream"
_STICKER_TYPE: Final = "image/webp"
_NOUNS: Final = {
    "image": "an image",
    "video": "a video",
    "audio": "audio",
    "sticker": "a sticker (WebP)",
}
_SHOWN_IMAGES: Final = frozenset(
    {"jpeg", "png", "gif", "webp", "bmp", "avif"}
)  # that a browser reads
# Formats for sound and pictures: without pictures, they are audio.
_AUDIO_FORMS: Final = {
    "video/mp4": "audio/mp4",
    "video/3gpp": "audio/3gpp",
    "video/webm": "audio/webm",
    "video/x-matroska": "audio/x-matroska",
    "video/x-ms-wmv": "audio/x-ms-wma",
    "application/mp4": "audio/mp4",
    "application/ogg": "audio/ogg",
}
_VIDEO_FORMS: Final = {"application/mp4": "video/mp4", "application/ogg": "video/ogg"}
# What text cannot be.
_BINARY_PREFIXES: Final = ("image/", "video/", "audio/", "application/pdf")
_HEAD_CHARACTERS: Final = file_type.HEAD_BYTES * 4 // 3 // 4 * 4  # whole groups of base64


def complete(content: MediaContent) -> MediaContent:
    """The content with its media type and file name.

    Raises:
        InvalidRequest: the file is not what the request says.
    """
    kind = get_kind(content)
    if content.voice and kind != "audio":
        raise _refuse("content.voice: is only for audio")
    if content.data is None:
        return content
    return _complete(content, _detect(content.data, kind), "content.data")


def complete_fetched(
    content: MediaContent, file: FileBytes, field: str = "content.url"
) -> MediaContent:
    """The same for a file that was fetched by its URL; `file` may be mapped into memory.

    Stricter for a document: a PDF by its name that is a web page is what a server sends instead of the file.
    `field` is what a refusal calls the place that the file came from.

    Raises:
        InvalidRequest: the file is not what the request says.
    """
    kind = get_kind(content)
    if not len(file):
        raise _refuse(f"{field}: is an empty file")
    head = file[: file_type.HEAD_BYTES]
    detected = _detect_all(file) if kind == "audio" else file_type.detect(head)
    of_name = file_type.get_type_of_name(content.filename) if content.filename else None
    is_decided_by_name = kind == _DOCUMENT and _read_declared(content.mime) is None
    if is_decided_by_name and of_name and _contradicts(detected, of_name, is_document=True):
        raise _refuse(f"{field}: is {detected}, and its name says {of_name}")
    return _complete(content, detected, field)


def get_kind(content: MediaContent) -> str:
    """The word of this kind of content."""
    kind = content.__struct_config__.tag
    assert isinstance(kind, str)
    return kind


def _complete(content: MediaContent, detected: str | None, field: str) -> MediaContent:
    """`field`: the one that the file came from."""
    kind = get_kind(content)
    declared = _read_declared(content.mime)
    if kind == _DOCUMENT:
        media_type = _choose_document_type(detected, declared, content.filename, field)
    else:
        media_type = _choose_type(kind, detected, declared, content.filename, field)
    if content.mime is not None and media_type == declared:
        media_type = _add_parameters(media_type, content.mime)
    if content.voice and detected is None and media_type == "audio/ogg":
        media_type = file_type.OGG_OPUS  # phones play no other Ogg as a voice message
    return replace(
        content, mime=media_type, filename=_make_name(content.filename, kind, media_type)
    )


def choose_kind(data: FileBytes, filename: str) -> str:
    """The kind of message as which a person would send this file."""
    media_type = _detect_all(data) or file_type.get_type_of_name(filename) or _DEFAULT_TYPE
    major = _major(media_type)
    if major == "image":
        return major if file_type.get_family(media_type) in _SHOWN_IMAGES else _DOCUMENT
    return major if major in _NOUNS else _DOCUMENT


# -- the type


def _choose_type(
    kind: str, detected: str | None, declared: str | None, name: str | None, field: str
) -> str:
    if detected is not None and not _is_of_kind(kind, detected):
        raise _refuse(f"{field}: is {_base(detected)}, which cannot be sent as {_NOUNS[kind]}")
    fitting_declared = None if declared is None else _fit(kind, declared)
    if declared is not None and fitting_declared is None:
        raise _refuse(f"content.mime: is not a type of {_NOUNS[kind]}")
    _require_agreement(detected, declared, field, is_document=False)
    of_name = file_type.get_type_of_name(name) if name else None
    media_type = detected or fitting_declared or (of_name and _fit(kind, of_name))
    if not media_type:
        raise _refuse(f"{field}: is not known to be {_NOUNS[kind]}; if it is, give its mime")
    return media_type


def _choose_document_type(
    detected: str | None, declared: str | None, name: str | None, field: str
) -> str:
    _require_agreement(detected, declared, field, is_document=True)
    of_name = file_type.get_type_of_name(name) if name else None
    if of_name and _contradicts(detected, of_name, is_document=True):
        of_name = None
    return declared or of_name or detected or _DEFAULT_TYPE


def _fit(kind: str, media_type: str) -> str | None:
    """The type as this kind of message has it; None: it cannot be of this kind."""
    forms = {"audio": _AUDIO_FORMS, "video": _VIDEO_FORMS}.get(kind, {})
    form = forms.get(media_type, media_type)
    return form if _is_of_kind(kind, form) else None


def _is_of_kind(kind: str, media_type: str) -> bool:
    return media_type == _STICKER_TYPE if kind == "sticker" else _major(media_type) == kind


def _require_agreement(
    detected: str | None, declared: str | None, field: str, *, is_document: bool
) -> None:
    if declared is not None and _contradicts(detected, declared, is_document=is_document):
        assert detected is not None
        raise _refuse(f"content.mime: contradicts {field}, which is {_base(detected)}")


def _contradicts(detected: str | None, declared: str, *, is_document: bool) -> bool:
    """Whether bytes of the detected type cannot be of the declared one."""
    if detected is None:
        return False
    base = _base(detected)
    family = file_type.get_family(declared)
    if family is not None:
        return file_type.get_family(base) != family
    if declared.startswith("text/"):
        return base.startswith(_BINARY_PREFIXES) and base != "image/svg+xml"
    return not is_document and _major(declared) != _major(base) and base not in _AUDIO_FORMS


def _detect(data: str, kind: str) -> str | None:
    if kind == "audio":
        return _detect_all(binascii.a2b_base64(data))
    return file_type.detect(binascii.a2b_base64(data[:_HEAD_CHARACTERS]))


def _detect_all(data: FileBytes) -> str | None:
    """The type of the whole file: one with sound alone is audio."""
    detected = file_type.detect(data[: file_type.HEAD_BYTES])
    if detected not in _AUDIO_FORMS or file_type.has_video_track(data):
        return detected
    return _AUDIO_FORMS[detected]


def _read_declared(mime: str | None) -> str | None:
    """The declared type without its parameters; None: the caller says nothing with it."""
    base = _base(mime).lower() if mime else None
    return None if base in file_type.GENERIC_TYPES else base


def _add_parameters(media_type: str, mime: str) -> str:
    _, separator, parameters = mime.partition(";")
    return f"{media_type}{separator}{parameters}"


def _base(media_type: str) -> str:
    return media_type.partition(";")[0].strip()


def _major(media_type: str) -> str:
    return media_type.partition("/")[0]


def _refuse(detail: str) -> InvalidRequest:
    return InvalidRequest("schema_violation", detail)


# -- the name


def _make_name(filename: str | None, kind: str, media_type: str) -> str:
    """A name whose extension fits the type: phones choose the program by it."""
    extension = file_type.get_extension(media_type)
    if filename is not None and not filename.strip(". "):
        filename = None  # the name of a folder
    if filename is not None and (extension is None or _has_fitting_extension(filename, media_type)):
        return filename
    suffix = f".{extension}" if extension else ""
    return (filename or kind)[: MAX_FILENAME_CHARACTERS - len(suffix)] + suffix


def _has_fitting_extension(filename: str, media_type: str) -> bool:
    """Whether its extension is right, or could be: text and archives have hundreds of them."""
    if file_type.get_extension_of_name(filename) is None:
        return False
    family = file_type.get_family(_base(media_type))
    of_name = file_type.get_type_of_name(filename)
    family_of_name = file_type.get_family(of_name) if of_name else None
    return family_of_name == family
