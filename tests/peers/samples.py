"""The files that clients send: small, and valid where the page or a client decodes them."""

import base64
import io
import struct
import wave
import zlib
from dataclasses import dataclass
from pathlib import Path

_WEBP = "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"
_PNG_SIDE = 64
_SAMPLE_RATE = 8000


@dataclass(frozen=True, slots=True)
class Sample:
    """A file to send."""

    path: Path
    mimetype: str

    def fields(self) -> dict[str, str]:
        """The fields of a driver's call."""
        return {"path": str(self.path), "mimetype": self.mimetype}


def write_samples(folder: Path) -> dict[str, Sample]:
    """Write a file for each kind of content. A voice message is PCM: browsers decode by the content."""
    contents = {
        "image": ("picture.png", "image/png", _build_png()),
        "document": ("report.pdf", "application/pdf", b"%PDF-1.4\n%%EOF\n"),
        "audio": ("sound.wav", "audio/wav", _build_wave()),
        "voice": ("voice.ogg", "audio/ogg", _build_wave()),
        "video": ("film.mp4", "video/mp4", _build_mp4()),
        "sticker": ("sticker.webp", "image/webp", base64.b64decode(_WEBP)),
    }
    samples: dict[str, Sample] = {}
    for kind, (name, mimetype, content) in contents.items():
        path = folder / name
        path.write_bytes(content)
        samples[kind] = Sample(path, mimetype)
    return samples


def _build_png() -> bytes:
    rows = b"".join(b"\0" + b"\x20\xa0\x60" * _PNG_SIDE for _ in range(_PNG_SIDE))
    header = struct.pack(">IIBBBBB", _PNG_SIDE, _PNG_SIDE, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(_build_chunk(*chunk) for chunk in chunks)


def _build_chunk(name: bytes, content: bytes) -> bytes:
    checksum = zlib.crc32(name + content)
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)


def _build_wave() -> bytes:
    output = io.BytesIO()
    with wave.open(output, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(b"".join(struct.pack("<h", 800 * (i % 20)) for i in range(_SAMPLE_RATE)))
    return output.getvalue()


def _build_mp4() -> bytes:
    brand = b"isom" + struct.pack(">I", 512) + b"isomiso2mp41"
    return struct.pack(">I", 8 + len(brand)) + b"ftyp" + brand + struct.pack(">I", 8) + b"mdat"
