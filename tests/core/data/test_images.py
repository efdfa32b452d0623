"""Hostile files, the published preprocessing as oracle, and where the square lies, worked out by hand."""

from __future__ import annotations

import io
import struct
import zlib
from contextlib import suppress

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torchvision.models import get_model_weights

from core.data.images import downscale, image_hash, open_image, open_mask, open_picture
from core.data.preprocessing import Crop, Preprocessing
from core.data.samples import sample_images
from core.errors import ImageError, PathwayError
from core.models.architectures import preprocessing_of

Pixel = tuple[int, int, int]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def noise(width: int, height: int, seed: int = 0) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG of 57 bytes that claims any size."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"<html>not a picture</html>", "26 bytes are an HTML page, not a picture"),
        (b"%PDF-1.7 ", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "JPEG, PNG, WEBP, GIF, BMP, TIFF"),
        (png_header(50_000, 50_000), "has 2,500,000,000 pixels. Wanted at most 50,000,000"),
        (png_header(10_000, 10_000), "50 megapixels"),
        (png_header(8_000, 8_000), "8,000 x 8,000 pixels, 64,000,000 in all. Wanted at most 50,000,000 .50 megapixels"),
        (png_header(7_100, 7_085), "7,100 x 7,085 pixels, 50,303,500 in all. Wanted at most 50,000,000 .50 megapixels"),
        (png_header(50_000_001, 1), "50,000,001 in all. Wanted at most 50,000,000"),
        (png_header(40_000, 1), "40,000 x 1 pixels. Wanted at most 30,000 pixels per side"),
        (png_header(10, 10), "PNG file of 57 bytes is damaged or cut short"),
        (encoded(noise(64, 64))[:-3000], "damaged or cut short"),
        (encoded(noise(64, 64), "JPEG")[:1500], "damaged or cut short"),
        (encoded(noise(64, 64), "BMP")[:5000], "damaged or cut short"),
        (encoded(noise(64, 64), "TIFF")[:5000], "a picture|damaged"),
        (encoded(noise(64, 64), "ICO"), "not a picture"),
    ],
)
def test_what_is_not_a_usable_picture_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        open_image(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "BMP", "TIFF", "JPEG", "MPO", "AVIF"])
def test_every_format_gives_the_picture(kind: str) -> None:
    image = open_image(encoded(Image.new("RGB", (7, 5), (255, 0, 0)), kind))
    assert (image.mode, image.size) == ("RGB", (7, 5))
    assert np.abs(np.asarray(image, int) - [255, 0, 0]).max() <= 4


def test_one_pixel() -> None:
    image = open_image(encoded(Image.new("RGB", (1, 1), (10, 20, 30))))
    assert image.getpixel((0, 0)) == (10, 20, 30)
    assert Preprocessing()(image).shape == (1, 3, 224, 224)


def test_cmyk_jpeg() -> None:
    image = open_image(encoded(Image.new("CMYK", (8, 8), (255, 0, 0, 0)), "JPEG"))
    assert np.abs(np.asarray(image, int) - [0, 255, 255]).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_is_scaled_not_clipped(kind: str) -> None:
    deep = Image.fromarray(np.array([[0, 256, 32896, 65535]], dtype=np.uint16))
    assert np.asarray(open_image(encoded(deep, kind)))[0, :, 1].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize(
    ("values", "seen"),
    [
        (np.array([[0.0, 0.5, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, 127.6, 255.0]], np.float32), [0, 128, 255]),
        (np.array([[-1.0, 0.0, 1.0]], np.float32), [0, 128, 255]),
        (np.array([[0.0, np.nan, 1.0]], np.float32), [0, 0, 255]),
        (np.array([[0, 100, 255]], np.int32), [0, 100, 255]),
        (np.array([[0, 500_000, 1_000_000]], np.int32), [0, 128, 255]),
    ],
)
def test_other_deep_grey_is_scaled_by_its_range(values: np.ndarray, seen: list[int]) -> None:
    assert np.asarray(open_image(encoded(Image.fromarray(values), "TIFF")))[0, :, 0].tolist() == seen


def half_transparent(mode: str) -> Image.Image:
    """Left pixel opaque black, right pixel fully transparent black."""
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    image.putpixel((1, 0), (0, 0, 0, 0))
    return image.convert(mode)


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lies_on_white(mode: str) -> None:
    image = open_image(encoded(half_transparent(mode)))
    assert [image.getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (255, 255, 255)]


def test_half_transparency_is_mixed_with_white() -> None:
    assert open_image(encoded(Image.new("RGBA", (1, 1), (255, 0, 0, 51)))).getpixel((0, 0)) == (255, 204, 204)


def test_palette_with_transparency() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([200, 0, 0, 0, 0, 200])
    image.putpixel((1, 0), 1)
    opened = open_image(encoded(image, transparency=1))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(200, 0, 0), (255, 255, 255)]


def test_transparent_colour_of_an_rgb_png() -> None:
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    image.putpixel((1, 0), (9, 9, 9))
    opened = open_image(encoded(image, transparency=(9, 9, 9)))
    assert [opened.getpixel((x, 0)) for x in (0, 1)] == [(1, 2, 3), (255, 255, 255)]


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_exif_rotation(kind: str) -> None:
    image = Image.new("RGB", (3, 2), "black")
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter to the right: the top left corner becomes the top right one
    opened = open_image(encoded(image, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {})))
    assert opened.size == (2, 3)
    assert opened.getpixel((1, 0)) == (255, 255, 255)
    assert opened.getpixel((0, 0)) == (0, 0, 0)
    assert not opened.getexif()


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_a_broken_exif_block_does_not_matter() -> None:
    opened = open_image(encoded(Image.new("RGB", (3, 2)), "JPEG", exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff"))
    assert opened.size == (3, 2)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "AVIF", "TIFF", "MPO"])
def test_the_first_frame_of_an_animation(kind: str) -> None:
    red, blue = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    opened = open_picture(encoded(red, kind, save_all=True, append_images=[blue], duration=100))
    assert opened.notes == ("The file holds several pictures, pages or frames; this is the first.",)
    assert open_picture(encoded(red, kind)).notes == ()
    pixel = opened.image.getpixel((2, 2))
    assert isinstance(pixel, tuple)
    assert pixel[0] > 250
    assert pixel[2] < 5


FILES = [encoded(noise(9, 7), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP")]


def survives(data: bytes) -> None:
    """Give an RGB picture or an ImageError, and nothing else."""
    with suppress(ImageError):
        assert open_image(data).mode == "RGB"


@settings(max_examples=60)
@given(st.binary(max_size=200), st.sampled_from([b"", *(file[:24] for file in FILES)]))
def test_random_bytes_never_raise_anything_else(data: bytes, start: bytes) -> None:
    survives(start + data)


@settings(max_examples=120)
@given(st.sampled_from(FILES), st.integers(0, 10_000), st.integers(1, 255), st.integers(0, 400))
def test_damaged_files_never_raise_anything_else(file: bytes, place: int, flip: int, lost: int) -> None:
    damaged = bytearray(file)
    damaged[place % len(file)] ^= flip
    survives(bytes(damaged[: len(file) - lost]))


@pytest.mark.parametrize(("size", "smaller"), [((2048, 1024), (1024, 512)), ((1, 20_000), (1, 1024)), ((8, 4), (8, 4))])
def test_downscale(size: tuple[int, int], smaller: tuple[int, int]) -> None:
    assert downscale(Image.new("RGB", size)).size == smaller


def test_image_hash_sees_pixels_size_and_nothing_else() -> None:
    image = noise(4, 6)
    assert image_hash(image) == image_hash(image.copy())
    assert len(image_hash(image)) == 16
    other = image.copy()
    other.putpixel((3, 5), (0, 1, 2))
    assert image_hash(other) != image_hash(image)
    assert image_hash(Image.new("RGB", (2, 3))) != image_hash(Image.new("RGB", (3, 2)))


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "efficientnet_b0", "inception_v3"])
@pytest.mark.parametrize("size", [(640, 427), (300, 451), (224, 224), (257, 256), (1, 1), (5, 3), (3, 40), (1000, 331)])
def test_the_standing_crop_equals_the_published_preprocessing(name: str, size: tuple[int, int]) -> None:
    image = noise(*size)
    wanted = get_model_weights(name).DEFAULT.transforms()(image)[None]
    torch.testing.assert_close(preprocessing_of(name)(image), wanted, atol=1e-6, rtol=0)


def test_box_of_the_standing_crop() -> None:
    """400 x 300 becomes 341 x 256; the square starts at (58, 16) there: half of 117 and 32, rounded to even."""
    left, top, right, bottom = Preprocessing().box((400, 300))
    assert (left, top) == pytest.approx((58 * 400 / 341, 16 * 300 / 256))
    assert (right, bottom) == pytest.approx((282 * 400 / 341, 240 * 300 / 256))


@pytest.mark.parametrize(
    ("crop", "box"),
    [
        (Crop(0, 0), (0, 0, 224, 224)),
        (Crop(1, 1), (288, 32, 512, 256)),
        (Crop(0.5, 0.5, zoom=2), (200, 72, 312, 184)),
        (Crop(1, 0, zoom=4), (456, 0, 512, 56)),
    ],
)
def test_box_follows_the_crop(crop: Crop, box: tuple[float, ...]) -> None:
    """A 512 x 256 image is not resized, so its pixels are those of the crop."""
    assert Preprocessing().box((512, 256), crop) == pytest.approx(box)


def test_the_picture_seen_is_the_box() -> None:
    image = noise(512, 256)
    seen = Preprocessing().crop(image, Crop(1, 1))
    assert np.array_equal(np.asarray(seen), np.asarray(image)[32:256, 288:512])
    zoomed = Preprocessing().crop(image, Crop(0.25, 0, zoom=4))
    wanted = image.resize((224, 224), Image.Resampling.BILINEAR, box=(114, 0, 170, 56))
    assert np.array_equal(np.asarray(zoomed), np.asarray(wanted))


def test_a_slight_zoom_hardly_moves_the_picture() -> None:
    image = sample_images()["coffee"].open()
    still, zoomed = (Preprocessing().crop(image, Crop(zoom=zoom)) for zoom in (1.0, 1.0001))
    assert np.abs(np.asarray(still, int) - np.asarray(zoomed, int)).mean() < 2


@pytest.mark.parametrize("size", [(1, 30_000), (30_000, 3)])
@pytest.mark.parametrize("crop", [Crop(), Crop(0.9, 0.9, 100)])
def test_a_thin_strip_costs_no_more_than_a_photo(size: tuple[int, int], crop: Crop) -> None:
    assert Preprocessing().crop(Image.new("RGB", size, (9, 8, 7)), crop).getpixel((0, 0)) == (9, 8, 7)


@given(st.integers(1, 3000), st.integers(1, 3000), st.floats(0, 1), st.floats(0, 1), st.floats(1, 100))
def test_the_box_lies_in_the_image(width: int, height: int, x: float, y: float, zoom: float) -> None:
    left, top, right, bottom = Preprocessing().box((width, height), Crop(x, y, zoom))
    assert 0 <= left < right <= width
    assert 0 <= top < bottom <= height


def test_tensor_and_picture_are_inverse() -> None:
    preprocessing = Preprocessing(size=8, resize=8)
    image = noise(8, 8)
    tensor = preprocessing.tensor(image)
    assert (tensor.shape, tensor.dtype) == ((1, 3, 8, 8), torch.float32)
    for back in (preprocessing.picture(tensor), preprocessing.picture(tensor[0])):
        assert np.array_equal(np.asarray(back), np.asarray(image))


def test_tensor_of_white_by_hand() -> None:
    tensor = Preprocessing(size=1, resize=1).tensor(Image.new("RGB", (1, 1), "white"))
    wanted = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(tensor.flatten(), torch.tensor(wanted))


def test_picture_clips_what_is_out_of_range() -> None:
    picture = Preprocessing().picture(torch.tensor([9.0, -9.0, 0.0])[:, None, None])
    assert picture.getpixel((0, 0)) == (255, 0, 104)  # 0.406 * 255 = 103.5, to even


@pytest.mark.parametrize(
    "make",
    [
        lambda: Crop(x=1.5),
        lambda: Crop(y=float("nan")),
        lambda: Crop(zoom=0.5),
        lambda: Crop(zoom=float("inf")),
        lambda: Preprocessing(size=300, resize=256),
        lambda: Preprocessing(interpolation="nearest"),
        lambda: Preprocessing(std=(0.0, 1.0, 1.0)),
        lambda: Preprocessing().tensor(Image.new("RGB", (3, 3))),
        lambda: Preprocessing().picture(torch.zeros(2, 3, 4, 4)),
    ],
)
def test_wrong_numbers_are_refused(make: object) -> None:
    with pytest.raises(PathwayError, match=r"Got .*wanted"):
        make()  # type: ignore[operator]


def test_sample_images() -> None:
    images = sample_images()
    assert list(images) == [
        "chelsea",
        "coffee",
        "rocket",
        "motorcycle",
        "astronaut",
        "grace_hopper",
        "acanthus-mollis",
        "dust-bowl-home",
        "french-alpine-landscape",
        "march-pastoral",
        "nagasaki-boats",
    ]
    for sample in images.values():
        assert sample.open().mode == "RGB"
        assert all((sample.title, sample.author, sample.licence, sample.source.startswith("http"), sample.alt))
    assert images["chelsea"].open().size == (451, 300)
    assert sample_images() is images


# -------------------------------------------------------------------------------------------------------------- masks


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_mask_is_what_transparency_leaves(kind):
    picture = noise(12, 8).convert("RGBA")
    alpha = Image.new("L", (12, 8), 0)
    alpha.paste(255, (2, 3, 7, 8))
    picture.putalpha(alpha)
    mask = open_mask(encoded(picture, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert mask is not None
    assert (mask.mode, mask.size) == ("L", (12, 8))
    assert np.array_equal(np.asarray(mask), np.asarray(alpha))


def test_a_palettes_transparent_colour_is_a_mask_too():
    picture = Image.new("P", (4, 2), 0)
    picture.putpalette([0, 0, 0, 255, 255, 255])
    picture.paste(1, (0, 0, 1, 2))
    mask = open_mask(encoded(picture, "GIF", transparency=0))
    assert mask is not None
    assert np.asarray(mask).tolist() == [[255, 0, 0, 0]] * 2


def test_an_opaque_picture_has_no_mask():
    assert open_mask(encoded(noise(5, 4))) is None
    assert open_mask(encoded(noise(5, 4).convert("RGBA"))) is None
    assert open_mask(encoded(noise(5, 4), "JPEG")) is None
    with pytest.raises(ImageError, match="empty"):
        open_mask(b"")


def test_a_mask_is_turned_as_its_photo_is():
    picture = noise(6, 4).convert("RGBA")
    alpha = Image.new("L", (6, 4), 255)
    alpha.putpixel((0, 0), 0)
    picture.putalpha(alpha)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter to the right
    mask = open_mask(encoded(picture, exif=exif))
    assert mask is not None
    assert mask.size == (4, 6)
    assert [tuple(place) for place in np.argwhere(np.asarray(mask) == 0)] == [(0, 3)]


@pytest.mark.parametrize("crop", [Crop(), Crop(0, 1), Crop(0.3, 0.6, zoom=2.5)])
def test_a_mask_is_cropped_with_its_photo(crop):
    box = (70, 40, 200, 170)
    white, mask = Image.new("RGB", (300, 200)), Image.new("L", (300, 200))
    white.paste((255, 255, 255), box)
    mask.paste(255, box)
    found = Preprocessing().mask(mask, crop)
    seen = torch.from_numpy(np.asarray(Preprocessing().crop(white, crop))[..., 0] >= 128)
    assert (found.dtype, found.shape) == (torch.bool, (224, 224))
    assert (found != seen).double().mean() < 0.012  # but for a pixel along the edge
    assert found.any()
