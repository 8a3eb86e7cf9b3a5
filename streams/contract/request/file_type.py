"""What kind of file some bytes are, as a media type. Pure: the same bytes and name give the same answer on every host.

The library `filetype` knows the signatures. Added here is what it does not know and WhatsApp's users send: more brands
of MP4, the codecs of Ogg, and text. Nothing is decided about a request in this file.
"""

import codecs
import mimetypes
import re
from mmap import mmap
from typing import Any, Final, cast

import filetype  # pyright: ignore[reportMissingTypeStubs]

HEAD_BYTES: Final = 8192  # signatures are at the start of a file
OGG_OPUS: Final = "audio/ogg; codecs=opus"
GENERIC_TYPES: Final = frozenset(
    {"application/octet-stream", "binary/octet-stream", "application/x-binary"}
)

_CANONICAL_TYPES: Final = {
    "audio/x-wav": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-aiff": "audio/aiff",
}
# Types that name the same format, or that people use for one another.
_FAMILIES: Final = {
    "jpeg": ("image/jpeg", "image/jpg", "image/pjpeg"),
    "png": ("image/png", "image/apng", "image/x-png"),
    "gif": ("image/gif",),
    "webp": ("image/webp",),
    "bmp": ("image/bmp", "image/x-ms-bmp", "image/x-bmp"),
    "heif": ("image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"),
    "avif": ("image/avif",),
    "mp4": (
        *("video/mp4", "video/x-m4v", "video/quicktime", "video/3gpp", "video/3gpp2"),
        *("audio/mp4", "audio/m4a", "audio/x-m4a", "audio/aac", "audio/3gpp", "application/mp4"),
    ),
    "webm": ("video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska"),
    "ogg": ("audio/ogg", "video/ogg", "application/ogg", "audio/opus", "audio/vorbis"),
    "mp3": ("audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/mpeg3", "audio/x-mpeg-3"),
    "wav": ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"),
    "flac": ("audio/flac", "audio/x-flac"),
    "amr": ("audio/amr", "audio/amr-nb"),
    "avi": ("video/x-msvideo", "video/avi", "video/msvideo"),
    "asf": ("video/x-ms-wmv", "video/x-ms-asf", "audio/x-ms-wma"),
    "pdf": ("application/pdf", "application/x-pdf"),
}
_FAMILY_BY_TYPE: Final = {type_: name for name, types in _FAMILIES.items() for type_ in types}
_EXTENSIONS: Final = {
    "image/jpeg": "jpg",
    "image/svg+xml": "svg",
    "video/3gpp": "3gp",
    "video/ogg": "ogv",
    "audio/3gpp": "3gp",
    "audio/aiff": "aiff",
    "audio/flac": "flac",
    "audio/midi": "mid",
    "audio/wav": "wav",
    "audio/webm": "webm",
    "audio/x-matroska": "mka",
    "audio/x-ms-wma": "wma",
    "text/html": "html",
    "text/plain": "txt",
    "text/xml": "xml",
}
_TYPES_BY_EXTENSION: Final = {"oga": "audio/ogg", "ogv": "video/ogg"}
_MP4_BRANDS: Final = (b"iso", b"mp4", b"avc", b"dash", b"MSNV", b"f4v", b"M4V", b"cmf")
# These signatures are text themselves; any other one in a text is an accident ("BM", "MZ").
_TEXT_SIGNATURES: Final = {
    *("application/pdf", "application/rtf", "application/postscript", "audio/amr"),
}
_CONTROL: Final = re.compile("[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_HTML: Final = re.compile(r"<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE)
_SVG: Final = re.compile(r"<(?:!doctype\s+svg|svg)\b", re.IGNORECASE)
_PROLOG: Final = (("<?", "?>"), ("<!--", "-->"))  # what may stand before the first element
# The handler of a video track in MP4, and the names of video codecs in WebM and Matroska.
_VIDEO_TRACK: Final = re.compile(rb"hdlr.{8}vide|V_(?:VP8|VP9|AV1|MPEG)", re.DOTALL)

_library: Final = cast(Any, filetype)
# Without the files of the host, which differ.
_extensions_by_type: Final = mimetypes.MimeTypes()


def detect(head: bytes) -> str | None:
    """The media type of a file that begins with these bytes; None: its format is not known."""
    head = head[:HEAD_BYTES]
    guess = _guess(head)
    text = _read_text(head)
    if text is not None and guess not in _TEXT_SIGNATURES:
        return _detect_text(text)
    if guess == "audio/ogg":
        return _detect_ogg(head)
    return guess or _detect_brand(head) or _detect_mp3(head) or _detect_late_pdf(head)


def has_video_track(data: bytes | mmap) -> bool:
    """Whether this MP4 or WebM file has pictures, and not only sound."""
    return _VIDEO_TRACK.search(data) is not None


def get_family(media_type: str) -> str | None:
    """The format that this type names, if `detect` can tell it from all others."""
    return _FAMILY_BY_TYPE.get(media_type)


def get_type_of_name(filename: str) -> str | None:
    """The media type that the extension of this name stands for."""
    extension = get_extension_of_name(filename)
    if extension is None:
        return None
    if extension in _TYPES_BY_EXTENSION:
        return _TYPES_BY_EXTENSION[extension]
    kind = _library.get_type(ext=extension)
    if kind is not None:
        return _canonicalize(kind.mime)
    return _extensions_by_type.guess_type(f"x.{extension}", strict=False)[0]


def get_extension_of_name(filename: str) -> str | None:
    """The extension, in lower case and without its dot."""
    parts = re.search(r".\.([A-Za-z0-9]{1,10})$", filename, re.DOTALL)
    return parts and parts[1].lower()


def get_extension(media_type: str) -> str | None:
    """The usual extension of a media type, without its dot."""
    base = media_type.partition(";")[0]
    if base in GENERIC_TYPES:
        return None
    if base in _EXTENSIONS:
        return _EXTENSIONS[base]
    kind = _library.get_type(mime=base)
    if kind is not None:
        return str(kind.extension)
    extension = _extensions_by_type.guess_extension(base, strict=False)
    return extension.removeprefix(".") if extension else None


def _guess(head: bytes) -> str | None:
    kind = _library.guess(head)
    return None if kind is None else _canonicalize(kind.mime)


def _canonicalize(media_type: str) -> str:
    return _CANONICAL_TYPES.get(media_type, media_type)


def _detect_brand(head: bytes) -> str | None:
    """The brands of ISO media files that the library does not list."""
    brand = head[8:12]
    if head[4:8] != b"ftyp":
        return None
    if brand.startswith((b"3gp", b"3g2")):
        return "video/3gpp"
    return "video/mp4" if brand.startswith(_MP4_BRANDS) else None


def _detect_ogg(head: bytes) -> str:
    if b"OpusHead" in head[:128]:
        return OGG_OPUS
    return "video/ogg" if b"\x80theora" in head[:512] else "audio/ogg"


def _detect_mp3(head: bytes) -> str | None:
    """MPEG 1, layer 3, with a check sum."""
    return "audio/mpeg" if head[:2] == b"\xff\xfa" else None


def _detect_late_pdf(head: bytes) -> str | None:
    """Readers accept a PDF that begins within the first kilobyte."""
    return "application/pdf" if b"%PDF-" in head[:1024] else None


def _read_text(head: bytes) -> str | None:
    """The head as text; None: it is not text. A character may be cut at the end."""
    encoding = "utf-16" if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(head)
    except UnicodeDecodeError:
        return None
    return None if _CONTROL.search(text) else text


def _detect_text(text: str) -> str:
    text = text.removeprefix("\ufeff")
    start = _skip_prolog(text)
    if _HTML.match(start):
        return "text/html"
    if _SVG.match(start):
        return "image/svg+xml"
    return "text/xml" if text.startswith("<?xml") else "text/plain"


def _skip_prolog(text: str) -> str:
    text = text.lstrip()
    for opening, closing in _PROLOG:
        while text.startswith(opening):
            text = text.partition(closing)[2].lstrip()
    return text
