"""Pictures made to do harm: each is opened as RGB or refused in words, within bounded memory and time."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from core.data.images import MAX_PIXELS, MAX_SIDE, open_image, open_mask, open_picture
from core.data.jpeg import MAX_SCANS, MAX_SEGMENTS, check_jpeg
from core.data.levels import BAND, Levels, present, shown
from core.errors import ImageError
from tests.hostile import outcome, peaks, watched

pytestmark = pytest.mark.filterwarnings("ignore")  # Pillow's own words about broken files


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int = 9, height: int = 7, mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)).convert(mode)


def handled(data: bytes) -> None:
    """Open a picture and its mask: as they should be, or refused."""
    opened, mask = open_picture(data), open_mask(data)
    image = opened.image
    assert all(note.isprintable() and len(note) < 300 for note in opened.notes)
    assert image.mode == "RGB"
    assert image.width * image.height <= MAX_PIXELS
    assert max(image.size) <= MAX_SIDE
    assert image.info == {}
    assert mask is None or (mask.mode, mask.size) == ("L", image.size)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def segment(kind: int, body: bytes) -> bytes:
    return b"\xff" + bytes([kind]) + struct.pack(">H", len(body) + 2) + body


def exif(*tags: tuple[int, int, int, bytes], order: str = "<", tail: bytes = b"") -> bytes:
    """An EXIF block whose tags say of themselves what they like: number, kind, count, four bytes."""
    start = b"II*\x00" if order == "<" else b"MM\x00*"
    rows = b"".join(struct.pack(f"{order}HHI", *tag[:3]) + tag[3] for tag in tags)
    return b"Exif\x00\x00" + start + struct.pack(f"{order}IH", 8, len(tags)) + rows + bytes(4) + tail


TURNED = (0x0112, 3, 1, b"\x06\x00\x00\x00")
STRANGE_EXIF = {
    "nothing": b"",
    "not EXIF": b"Exif\x00\x00" + b"\xff" * 40,
    "a loop": exif((0x8769, 4, 1, struct.pack("<I", 8)), (0x8825, 4, 1, struct.pack("<I", 8)), TURNED),
    "orientation 0": exif((0x0112, 3, 1, b"\x00\x00\x00\x00")),
    "orientation 65535": exif((0x0112, 3, 1, b"\xff\xff\x00\x00")),
    "orientation as text": exif((0x0112, 2, 4, b"six\x00")),
    "orientation as a fraction": exif((0x0112, 5, 1, struct.pack("<I", 26)), tail=bytes(8)),
    "four billion values": exif((0x0112, 3, 2**32 - 1, bytes(4)), TURNED),
    "values past the end": exif((0x010F, 2, 100, b"\xff\xff\xff\x7f"), TURNED),
    "unknown kinds": exif((0x0112, 99, 1, bytes(4)), (0xFFFF, 0, 0, bytes(4))),
    "a thousand times all": exif(*[(n, 7, 20_000, bytes(4)) for n in range(1000)], tail=bytes(8000)),
}


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("block", STRANGE_EXIF)
def test_strange_exif_does_not_matter(block: str, kind: str) -> None:
    handled(encoded(noise(), kind, exif=STRANGE_EXIF[block]))


def corpus() -> list[bytes]:
    """A small file of every format and mode, with and without what may be beside the picture."""
    modes = {
        "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
        "JPEG": ("L", "RGB", "CMYK"),
        "GIF": ("L", "P", "RGB"),
        "WEBP": ("RGB", "RGBA"),
        "BMP": ("1", "L", "P", "RGB", "RGBA"),
        "AVIF": ("L", "RGB", "RGBA"),
        "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "LAB", "I;16", "I", "F"),
    }
    plain = [encoded(_as(mode), kind) for kind, names in modes.items() for mode in names]
    many = [noise(), ImageOps.invert(noise()), noise(mode="L").convert("RGB")]
    return [
        *plain,
        *(
            encoded(many[0], kind, save_all=True, append_images=many[1:])
            for kind in ("GIF", "PNG", "WEBP", "TIFF", "MPO", "AVIF")
        ),
        *(encoded(noise(), "TIFF", compression=how) for how in ("tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")),
        encoded(noise(), "JPEG", progressive=True, exif=exif(TURNED), icc_profile=bytes(200)),
        encoded(noise(), "PNG", exif=exif(TURNED), icc_profile=bytes(200)),
        encoded(noise(mode="P"), "PNG", transparency=bytes(range(200))),
        encoded(noise(mode="RGBA"), "WEBP", lossless=True, exif=exif(TURNED), xmp=b"<x/>"),
        encoded(noise(), "TIFF", big_tiff=True),
        *(deep_png(kind, channels) for kind, channels in ((0, 1), (2, 3), (4, 2), (6, 4))),
        *(deep_tiff(planar) for planar in ("contig", "separate")),
    ]


def deep_png(kind: int, channels: int, ceiling: int = 4096) -> bytes:
    """A PNG of 16 bits a channel of which few are in use."""
    values = np.random.default_rng(0).integers(0, ceiling, (7, 9 * channels)).astype(">u2")
    body = zlib.compress(b"".join(b"\0" + row.tobytes() for row in values))
    header = struct.pack(">IIBBBBB", 9, 7, 16, kind, 0, 0, 0)
    parts = (b"IHDR", header), (b"sBIT", bytes([12] * channels)), (b"IDAT", body), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def deep_tiff(planar: str) -> bytes:
    values = np.random.default_rng(0).integers(0, 4096, (7, 9, 3)).astype(np.uint16)
    buffer, stored = io.BytesIO(), values if planar == "contig" else np.moveaxis(values, 2, 0)
    tifffile.imwrite(buffer, np.ascontiguousarray(stored), photometric="rgb", planarconfig=planar)
    return buffer.getvalue()


def _as(mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray(np.arange(63, dtype=np.uint16).reshape(7, 9) * 1000)
    return noise(mode="L").convert(mode) if mode in ("I", "F", "LA") else noise(mode=mode)


CORPUS = corpus()
EXTREMES = (b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f")


def test_every_file_of_the_corpus_is_a_picture() -> None:
    for data in CORPUS:
        handled(data)


def damaged(random: np.random.Generator) -> bytes:
    """A picture with bytes flipped, cut out, doubled, set to the largest number, or spliced with another file's."""
    data = bytearray(CORPUS[random.integers(len(CORPUS))])
    for _ in range(random.integers(1, 8)):
        place, length = int(random.integers(len(data))), int(random.integers(1, 40))
        match int(random.integers(6)):
            case 0:
                data[place] ^= int(random.integers(1, 256))
            case 1:
                del data[-length:]
            case 2:
                data[place:place] = data[place : place + length]
            case 3:
                data[place : place + 4] = [b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"][
                    random.integers(4)
                ]
            case 4:
                other = CORPUS[random.integers(len(CORPUS))]
                data[place:] = other[place % len(other) :]
            case _:
                data[min(place, 60) % len(data)] ^= 1 << int(random.integers(8))
        data = data or bytearray(b"\x89PNG")
    return bytes(data)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.thorough) for seed in range(1, 8))])
def test_damaged_pictures_are_refused_or_opened(seed: int) -> None:
    random = np.random.default_rng(seed)
    with watched():
        said = [outcome(partial(handled, damaged(random))) for _ in range(3000)]
    assert len(set(said)) > 100
    assert 300 < said.count("") < 2700


@settings(max_examples=500, derandomize=True)
@given(st.sampled_from([data[:12] for data in CORPUS]), st.binary(max_size=300))
def test_anything_behind_a_known_beginning(start: bytes, data: bytes) -> None:
    outcome(lambda: handled(start + data))


POLYGLOTS = {
    "a script behind a GIF": encoded(noise(), "GIF") + b"/*<script>alert(1)</script>*/",
    "an archive behind a PNG": encoded(noise()) + b"PK\x03\x04" + bytes(40),
    "HTML in a JPEG's comment": encoded(noise(), "JPEG", comment=b"<script>alert(1)</script>"),
    "a PNG after a PDF": b"%PDF-1.7\n" + encoded(noise()),
    "a page": b"<!doctype html><script>alert(1)</script>",
    "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run showpage",
    "an SVG that asks for a file": b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>",
    "an icon": encoded(noise(), "ICO"),
    "a pickle": b"\x80\x04cos\nsystem\n(X\x04\x00\x00\x00truetR.",
    "FLI": struct.pack("<IHHHHHH", 128, 0xAF11, 1, 9, 7, 8, 3) + bytes(200),
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_what_is_two_things_is_a_picture_or_nothing(name: str) -> None:
    with watched():
        outcome(lambda: handled(POLYGLOTS[name]))
    if not name.startswith(("a script", "an archive", "HTML")):
        with pytest.raises(ImageError, match="not a picture"):
            open_image(POLYGLOTS[name])


def scans(count: int, side: int = 8) -> bytes:
    """A JPEG that repeats its last scan."""
    data = encoded(Image.new("L", (side, side)), "JPEG", progressive=True)
    last = data.rfind(b"\xff\xda")
    return data[:last] + data[last:-2] * count + data[-2:]


def test_a_jpeg_of_many_scans_or_notes_is_refused_before_it_is_decoded() -> None:
    own = scans(1).count(b"\xff\xda")
    handled(scans(MAX_SCANS - own + 1))
    data = encoded(noise(), "JPEG")
    notes = {kind: data[:2] + segment(kind, b"Exif\x00\x00xx") * (MAX_SEGMENTS + 1) + data[2:] for kind in (0xE1, 0xFE)}
    for many in (scans(MAX_SCANS - own + 2), scans(5000), *notes.values()):
        with pytest.raises(ImageError, match="more than 100 scans or 2,000 segments"):
            open_image(many)
        with pytest.raises(ImageError, match="more than 100 scans or 2,000 segments"):
            open_mask(many)


def test_what_lies_beside_a_jpeg_counts_for_nothing() -> None:
    """Thumbnails, later pictures of the same file and films behind it have scans of their own."""
    data, film = encoded(noise(), "JPEG"), b"\xff\xda\x00\x02" * 1000
    handled(data[:2] + segment(0xE1, b"http://" + film) + data[2:])
    handled(data + film)
    check_jpeg(encoded(noise()) + film)
    check_jpeg(b"\xff\xd8\xff" + b"\xff" * 1000)
    check_jpeg(b"\xff\xd8\xff")


def test_deep_grey_in_bands_is_what_it_is_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 65536, (50, 31), dtype=np.uint16), random.normal(0, 3, (50, 31)).astype(np.float32)]
    pictures[1][3, 4] = np.nan
    whole = [shown(values, Levels(-3, 300), present(values)) for values in pictures]
    monkeypatch.setattr("core.data.levels.BAND", 100)
    for values, wanted in zip(pictures, whole, strict=True):
        assert np.array_equal(shown(values, Levels(-3, 300), present(values)), wanted)
    assert BAND > 10_000


def png_claiming(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    body = zlib.compress(bytes(50_000_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def png_with(kind: bytes, body: bytes) -> bytes:
    data = encoded(noise())
    return (
        data[:33] + struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) + data[33:]
    )


def webp_claiming() -> bytes:
    data = bytearray(
        encoded(noise(mode="RGBA"), "WEBP", save_all=True, append_images=[Image.new("RGBA", (9, 7), "red")])
    )
    assert data[12:16] == b"VP8X"
    data[24:30] = (16382).to_bytes(3, "little") * 2
    return bytes(data)


def gif_claiming() -> bytes:
    data = bytearray(encoded(noise(mode="P"), "GIF"))
    frame = data.find(b"\x2c")
    data[frame + 5 : frame + 9] = b"\xff" * 4
    return bytes(data)


def tiff_claiming(strips: int) -> bytes:
    rows = [
        (256, 4, 1, 1),
        (257, 4, 1, 1),
        (258, 3, 1, 8),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, strips, 200),
        (277, 3, 1, 1),
        (278, 4, 1, 1),
        (279, 4, 1, 1),
    ]
    listed = struct.pack("<H", len(rows)) + b"".join(struct.pack("<HHII", *row) for row in rows) + bytes(4)
    return (b"II*\x00" + struct.pack("<I", 8) + listed).ljust(200, b"\x00") + struct.pack("<I", 300) * strips


def overlapping() -> bytes:
    """EXIF of 5,000 tags that each claim the whole block of 60 kB: 300 MB."""
    return exif(*[(n, 7, 60_000, bytes(4)) for n in range(5000)])


def avif_claiming(width: int = 16_383, height: int = 16_383) -> bytes:
    """An AVIF whose box of the size says what it likes."""
    data = bytearray(encoded(noise(), "AVIF"))
    place = data.index(b"ispe") + 8
    data[place : place + 8] = struct.pack(">II", width, height)
    return bytes(data)


def gaps() -> np.ndarray:
    values = np.random.default_rng(0).normal(0, 9, (7000, 7000)).astype(np.float32)
    values[::3] = np.nan
    return values


def large_deep_colour() -> bytes:
    """7,000 x 7,000 pixels of 16 bits a channel of which 12 are in use."""
    body = zlib.compress((b"\0" + b"\x0f\xff" * 3 * 7000) * 7000, 1)
    header = struct.pack(">IIBBBBB", 7000, 7000, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


BOMBS: dict[str, Callable[[], Callable[[], object]]] = {
    "a PNG that claims 50,000 x 50,000": lambda: partial(handled, png_claiming(50_000, 50_000)),
    "a PNG that claims 2,147,483,647 x 1": lambda: partial(handled, png_claiming(2**31 - 1, 1)),
    "a WebP that claims 16,383 x 16,383": lambda: partial(handled, webp_claiming()),
    "an AVIF that claims 16,383 x 16,383": lambda: partial(handled, avif_claiming()),
    "an AVIF that claims 2,147,483,647 x 1": lambda: partial(handled, avif_claiming(2**31 - 1, 1)),
    "a GIF whose frame is larger than the picture": lambda: partial(handled, gif_claiming()),
    "text packed in a PNG": lambda: partial(handled, png_with(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))),
    "colours packed in a PNG": lambda: partial(handled, png_with(b"iCCP", b"a\0\0" + zlib.compress(bytes(50_000_000)))),
    "EXIF that claims itself again and again": lambda: partial(handled, encoded(noise(), "PNG", exif=overlapping())),
    "a JPEG of 280,000 scans": lambda: partial(handled, scans(280_000)),
    "a JPEG of a million notes": lambda: partial(handled, noted(1_000_000)),
}
LARGE: dict[str, Callable[[], Callable[[], object]]] = {
    "deep grey": lambda: partial(handled, encoded(Image.fromarray(np.zeros((7000, 7000), np.uint16)))),
    "fractions": lambda: partial(
        handled, encoded(Image.fromarray(np.zeros((7000, 7000), np.float32)), "TIFF", compression="tiff_lzw")
    ),
    "transparent": lambda: partial(handled, encoded(Image.new("RGBA", (7000, 7000), (1, 2, 3, 4)))),
    "WebP": lambda: partial(handled, encoded(Image.new("RGBA", (7000, 7000), (1, 2, 3, 4)), "WEBP", lossless=True)),
    "fractions with gaps": lambda: partial(handled, encoded(Image.fromarray(gaps()), "TIFF")),
    "deep colour": lambda: partial(handled, large_deep_colour()),
    "AVIF": lambda: partial(handled, encoded(Image.new("RGB", (7000, 7000), (9, 9, 9)), "AVIF", speed=10)),
    "CMYK": lambda: partial(handled, encoded(Image.new("CMYK", (7000, 7000)), "TIFF", compression="tiff_lzw")),
    "four million strips": lambda: partial(handled, tiff_claiming(4_500_000)),
    "100 scans": lambda: partial(handled, scans(90, 7000)),
}


def noted(count: int) -> bytes:
    data = encoded(noise(), "JPEG")
    return data[:2] + segment(0xE1, b"Exif\x00\x00" + b"x" * 10) * count + data[2:]


@pytest.mark.thorough
def test_a_bomb_is_refused_before_it_is_decoded() -> None:
    for name, (peak, seconds, said) in peaks("tests.core.data.test_hostile_images:BOMBS").items():
        assert peak < 30, (name, peak)
        assert seconds < 2, (name, seconds)
        assert said or "EXIF" in name or "packed" in name


@pytest.mark.thorough
def test_the_largest_pictures_that_are_opened_take_as_much_as_the_security_page_says() -> None:
    said = (Path(__file__).resolve().parents[3] / "SECURITY.md").read_text("utf-8")
    assert "at most 1.3 GB" in said
    for name, (peak, seconds, _) in peaks("tests.core.data.test_hostile_images:LARGE").items():
        assert peak < 1300, (name, peak)
        assert seconds < 60, (name, seconds)
