"""The first bytes of files, as programs write them: each format with a type that WhatsApp's users send."""

import io
import struct
import zipfile
from typing import Final


def _make_mp4(brand: bytes, *more: bytes, track: bytes = b"") -> bytes:
    body = brand + struct.pack(">I", 512) + b"".join(more)
    ftyp = struct.pack(">I", 8 + len(body)) + b"ftyp" + body
    handler = b"\0\0\0\x21hdlr" + bytes(8) + track + bytes(13) if track else b""
    return ftyp + struct.pack(">I", 8) + b"free" + handler


def _make_zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "<x/>")
    return file.getvalue()


def _make_office(main_part: str) -> bytes:
    return _make_zip("[Content_Types].xml", "_rels/.rels", main_part)


def _make_ogg(codec: bytes) -> bytes:
    return b"OggS\0\2" + bytes(8) + b"\1\2\3\4" + bytes(8) + b"\1\x13" + codec + bytes(20)


_OFFICE: Final = "application/vnd.openxmlformats-officedocument."

# By name: the bytes, and their media type.
FILES: Final[dict[str, tuple[bytes, str | None]]] = {
    "jpeg": (b"\xff\xd8\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0", "image/jpeg"),
    "jpeg of a camera": (b"\xff\xd8\xff\xe1\0\x18Exif\0\0MM\0*" + bytes(20), "image/jpeg"),
    "png": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", "image/png"),
    "gif": (b"GIF89a\1\0\1\0\x80\0\0\0\0\0\xff\xff\xff", "image/gif"),
    "webp": (b"RIFF\x24\0\0\0WEBPVP8 \x18\0\0\0" + bytes(24), "image/webp"),
    "bmp": (b"BM\x3a" + bytes(60), "image/bmp"),
    "heic": (_make_mp4(b"heic", b"mif1", b"heic"), "image/heic"),
    "avif": (_make_mp4(b"avif", b"mif1"), "image/avif"),
    "svg": (b'<?xml version="1.0"?>\n<!-- a -->\n<svg width="1"/>', "image/svg+xml"),
    "mp4": (_make_mp4(b"isom", b"iso2", b"avc1", track=b"vide"), "video/mp4"),
    "mp4 of ffmpeg": (_make_mp4(b"iso6", track=b"vide"), "video/mp4"),
    "mp4 in segments": (_make_mp4(b"dash"), "video/mp4"),
    "mp4 with sound alone": (_make_mp4(b"mp42", track=b"soun"), "video/mp4"),
    "3gp": (_make_mp4(b"3gp4"), "video/3gpp"),
    "quicktime": (_make_mp4(b"qt  "), "video/quicktime"),
    "m4a": (_make_mp4(b"M4A ", b"isom"), "audio/mp4"),
    "webm": (b"\x1aE\xdf\xa3\x9fB\x86\x81\1B\x82\x84webm\x86\x85V_VP9" + bytes(30), "video/webm"),
    "webm with sound alone": (b"\x1aE\xdf\xa3\x9fB\x82\x84webm\x86\x86A_OPUS", "video/webm"),
    "opus": (_make_ogg(b"OpusHead"), "audio/ogg; codecs=opus"),
    "vorbis": (_make_ogg(b"\1vorbis"), "audio/ogg"),
    "theora": (_make_ogg(b"\x80theora"), "video/ogg"),
    "mp3 with tags": (b"ID3\4\0\0\0\0\0\x0a" + bytes(30), "audio/mpeg"),
    "mp3": (b"\xff\xfb\x90\x64" + bytes(30), "audio/mpeg"),
    "mp3 with check sums": (b"\xff\xfa\x90\x64" + bytes(30), "audio/mpeg"),
    "wav": (b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0", "audio/wav"),
    "amr": (b"#!AMR\n\x3c" + bytes(20), "audio/amr"),
    "aac": (b"\xff\xf1\x50\x80\2\x1f\xfc", "audio/aac"),
    "flac": (b"fLaC\0\0\0\x22" + bytes(30), "audio/flac"),
    "pdf": (b"%PDF-1.4\n1 0 obj<<>>endobj\n", "application/pdf"),
    "pdf after other bytes": (b"\0\0\r\n%PDF-1.4\n", "application/pdf"),
    "docx": (_make_office("word/document.xml"), _OFFICE + "wordprocessingml.document"),
    "xlsx": (_make_office("xl/workbook.xml"), _OFFICE + "spreadsheetml.sheet"),
    "zip": (_make_zip("a.txt"), "application/zip"),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", "text/html"),
    "html after a comment": (b"\n<!-- x -->\n<HTML lang=de>", "text/html"),
    "xml": (b'<?xml version="1.0"?><Error/>', "text/xml"),
    "json": (b'{"error": "not found"}', "text/plain"),
    "text": ("grüße 👋\n".encode(), "text/plain"),
    "text cut within a character": (b"a" + "ü".encode() * 5000, "text/plain"),
    "text in UTF-16": ("grüße".encode("utf-16"), "text/plain"),
    "text that begins like a picture": (b"BM is no picture\n", "text/plain"),
    "text that begins like a program": (b"MZ is no program\n", "text/plain"),
    "unknown bytes": (b"\x89 any bytes \x00\xff", None),
}
