"""Maps, masks and mosaics as pictures: numbers in, pixels out. This module uses neither Streamlit nor torch.

They are pictures because a plot of 224 x 224 cells takes 80 times the bytes; other modules draw figures with axes.
Magnitudes are drawn in cividis, signed values in blue, white and orange with white at zero.
"""

from __future__ import annotations

import io
import json
from base64 import b64encode
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, PngImagePlugin
from plotly.colors import sequential

from explorer.plots.palette import DEAD, MARK, Theme, rgb

__all__ = [
    "Floats",
    "colours",
    "crop_preview",
    "data_url",
    "dimmed",
    "jpeg",
    "limit",
    "map_picture",
    "membership_mosaic",
    "membership_positions",
    "mosaic",
    "mosaic_cells",
    "mosaic_grid",
    "mosaic_neuron",
    "outlined",
    "over_photo",
    "png",
    "position_map",
    "spread",
    "thumbnail",
]

Floats = NDArray[np.floating]
Bools = NDArray[np.bool_]

_SHADES = 200
_SIGNED = ["#0B559F", "#7FB2DB", "#FFFFFF", "#FDBB76", "#C2570C"]


def _table(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Return 255 colours between the given ones, (255, 3); an odd number has a middle, for zero."""
    anchors = np.array([rgb(c) for c in colours], dtype=float)
    at = np.linspace(0, len(anchors) - 1, 255)
    channels = [np.interp(at, range(len(anchors)), anchors[:, i]) for i in range(3)]
    return np.stack(channels, axis=1).round().astype(np.uint8)


_SCALES = {"magnitude": sequential.Cividis, "signed": _SIGNED}
_TABLES = {style: _table(scale) for style, scale in _SCALES.items()}


def colours(style: str) -> list[str]:
    """Return the colours of a map's scale, from its low end to its high."""
    return list(_SCALES[style])


def limit(*maps: Floats) -> float:
    """Return the value at which a colour scale ends: the 99.9th percentile of the maps' magnitudes, 0 if all are 0.

    If the percentile is 0 because few values are above 0, the scale ends at the largest, so that they are visible.
    """
    magnitudes = np.concatenate([np.abs(m[np.isfinite(m)]).ravel() for m in maps]) if maps else np.zeros(0)
    return float(np.percentile(magnitudes, 99.9) or magnitudes.max()) if magnitudes.size else 0.0


def dimmed(picture: Image.Image, mask: Bools) -> Image.Image:
    """Return a picture faded outside a mask; the mask is (H, W), of the picture's size."""
    pixels = np.asarray(picture.convert("RGB"))
    faded = (0.3 * pixels.mean(2, keepdims=True) + 150).astype(np.uint8)
    return Image.fromarray(np.where(mask[..., None], pixels, faded))


def map_picture(values: Floats, end: float, style: str) -> Image.Image:
    """Return a map as a picture of its own size.

    Args:
        values: (H, W).
        end: of the scale; 0 draws every value as 0.
        style: "magnitude" runs from 0 to end, "signed" from -end to end.
    """
    share = np.nan_to_num(values) / end if end > 0 else np.zeros_like(values)
    share = np.abs(share) if style == "magnitude" else (share + 1) / 2
    index = np.clip(share * 254, 0, 254).round().astype(np.uint8)
    return Image.fromarray(_TABLES[style][index])


def over_photo(picture: Image.Image, values: Floats, end: float, style: str, opacity: int) -> Image.Image:
    """Return a map laid over the photo in grey; stronger values cover more, and 100 % shows only the map.

    Args:
        picture: the network's input.
        values, end, style: as for ``map_picture``.
        opacity: in percent, of the strongest values.
    """
    colours = map_picture(values, end, style)
    if opacity >= 100:
        return colours
    grey = picture.convert("L").convert("RGB").resize(colours.size)
    strength = np.sqrt(np.clip(np.abs(np.nan_to_num(values)) / end, 0, 1)) if end > 0 else np.zeros_like(values)
    cover = Image.fromarray((strength * opacity * 2.55).astype(np.uint8))
    return Image.composite(colours, grey, cover)


def outlined(picture: Image.Image, box: tuple[int, int, int, int], activation: Floats | None = None) -> Image.Image:
    """Return the photo at twice its size, with a neuron's receptive field framed and lit where its channel is active.

    Args:
        picture: the network's input.
        box: left, top, right, bottom in its pixels; right and bottom are excluded.
        activation: (h, w) of the neuron's channel, >= 0, spread over the picture.
    """
    width, height = picture.size
    shown = picture.resize((2 * width, 2 * height), Image.Resampling.LANCZOS).convert("RGB")
    if activation is not None and activation.max() > 0:
        light = Image.fromarray((activation / activation.max() * 255).astype(np.uint8)).resize(shown.size)
        veil = light.point(lambda v: 60 + v * 195 // 255)
        shown = Image.composite(
            shown, Image.blend(shown.convert("L").convert("RGB"), Image.new("RGB", shown.size), 0.55), veil
        )
    left, top, right, bottom = (2 * edge for edge in box)
    draw = ImageDraw.Draw(shown)
    draw.rectangle((left, top, right - 1, bottom - 1), outline="#FFFFFF", width=5)
    inset = min(right - left, bottom - top) > 2  # else there is no room inside the white frame
    draw.rectangle((left + inset, top + inset, right - 1 - inset, bottom - 1 - inset), outline=MARK, width=3)
    return shown


def crop_preview(photo: Image.Image, box: tuple[float, float, float, float]) -> Image.Image:
    """Return the photo with everything outside the crop dimmed, at most 320 pixels wide or high."""
    scale = min(1.0, 320 / max(photo.size))
    small = photo.resize([max(1, round(side * scale)) for side in photo.size])
    left, top = (min(int(edge * scale), side - 1) for edge, side in zip(box[:2], small.size, strict=True))
    right, bottom = max(round(box[2] * scale), left + 1), max(round(box[3] * scale), top + 1)  # for thin photos
    veiled = Image.blend(small, Image.new("RGB", small.size, "#888888"), 0.7)
    veiled.paste(small.crop((left, top, right, bottom)), (left, top))
    ImageDraw.Draw(veiled).rectangle((left, top, right - 1, bottom - 1), outline=MARK, width=2)
    return veiled


def position_map(mask: Bools, dead: Bools, colour: str, theme: Theme) -> Image.Image:
    """Return how many channels are on the pathway at each position, from background to the method's colour.

    Args:
        mask, dead: (C, H, W).
        colour: of the method.
        theme: of the page.
    """
    counts = mask.sum(0)
    shade = np.round(counts / max(1, counts.max()) * (_SHADES - 1)).astype(np.uint8)
    shade[(counts > 0) & ((mask & dead).sum(0) == counts)] = _SHADES
    palette = [*_between(theme.background, colour, _SHADES), rgb(DEAD)]
    return _enlarged(_indexed(shade, palette), 360)


def mosaic(mask: Bools, dead: Bools, colour: str, theme: Theme) -> Image.Image:
    """Return all channels of a site side by side, left to right and down, one cell of H x W positions each.

    On the pathway: the method's colour; on it and dead: pink; off it but active: grey; off it and dead: background.

    Args:
        mask, dead: (C, H, W); the channels of a vector are drawn as one plane.
        colour: of the method.
        theme: of the page.
    """
    silent = dead.view(np.uint8)
    kinds = np.where(mask, 2 + silent, 1 - silent)
    return _cells(kinds, (theme.background, theme.quiet, colour, DEAD), theme.line)


def mosaic_cells(planes: tuple[int, int, int]) -> tuple[int, int]:
    """Return how many cells, neurons and lines between channels, a mosaic of (C, H, W) has across and down."""
    if planes[1:] == (1, 1):
        across = int(np.ceil(np.sqrt(planes[0])))
        return across + 1, -(-planes[0] // across) + 1
    columns, rows = _grid(planes)
    return columns * (planes[2] + 1), rows * (planes[1] + 1)


def mosaic_grid(planes: tuple[int, int, int]) -> tuple[int, int]:
    """Return how many channels of (C, H, W) a mosaic has side by side, and one below the other."""
    return (1, 1) if planes[1:] == (1, 1) else _grid(planes)


def mosaic_neuron(planes: tuple[int, int, int], across: int, down: int) -> tuple[int, int, int] | None:
    """Return channel, row and column of the neuron at a cell of a mosaic, None on a line or beyond the last channel."""
    width, height = mosaic_cells(planes)
    if not (0 <= across < width and 0 <= down < height):
        return None
    if planes[1:] == (1, 1):
        channel = down * (width - 1) + across
        return (channel, 0, 0) if across < width - 1 and down < height - 1 and channel < planes[0] else None
    (right, column), (below, row) = divmod(across, planes[2] + 1), divmod(down, planes[1] + 1)
    channel = below * _grid(planes)[0] + right
    return (channel, row, column) if column < planes[2] and row < planes[1] and channel < planes[0] else None


def membership_mosaic(first: Bools, second: Bools, dead: Bools, colours: tuple[str, str], theme: Theme) -> Image.Image:
    """Return all channels of a site as ``mosaic`` does, each neuron coloured by which of two pathways it is on.

    On one: that pathway's colour; on both: ink; on neither: grey; dead ones paler, those on neither background.

    Args:
        first, second, dead: (C, H, W); the channels of a vector are drawn as one plane.
        colours: of the two pathways.
        theme: of the page.
    """
    kinds = 2 * (first + 2 * second.astype(np.uint8)) + ~dead
    shown = [shade for colour in (*colours, theme.ink) for shade in (theme.pale(colour), colour)]
    return _cells(kinds.astype(np.uint8), (theme.background, theme.quiet, *shown), theme.line)


def membership_positions(first: Bools, second: Bools, colours: tuple[str, str], theme: Theme) -> Image.Image:
    """Return which of two pathways the channels at each position are on, as a mix of ``membership_mosaic``'s colours.

    The colour is stronger the more channels are on either pathway: background for none, full for the most.

    Args:
        first, second: (C, H, W).
        colours: of the two pathways.
        theme: of the page.
    """
    kinds = np.stack([first & ~second, second & ~first, first & second]).sum(1)  # (3, H, W) channels
    inks = np.array([rgb(colour) for colour in (*colours, theme.ink)], dtype=float)
    either = kinds.sum(0)[..., None]  # (H, W, 1)
    mixed = np.moveaxis(kinds, 0, -1) @ inks / np.maximum(either, 1)
    ground = np.array(rgb(theme.background))
    shade = ground + either / max(1, either.max()) * (mixed - ground)
    return _enlarged(Image.fromarray(shade.round().astype(np.uint8)), 360)


def spread(values: Floats, size: tuple[int, int]) -> Floats:
    """Return values of positions spread over a picture of (width, height), every position a box of one value.

    Args:
        values: (h, w), spread to (height, width).
        size: of the picture.
    """
    rows = np.arange(size[1]) * values.shape[0] // size[1]
    columns = np.arange(size[0]) * values.shape[1] // size[0]
    return values[np.ix_(rows, columns)]


def thumbnail(picture: Image.Image, side: int = 112) -> Image.Image:
    """Return the central square of a picture, small."""
    short = min(picture.size)
    left, top = ((edge - short) // 2 for edge in picture.size)
    return picture.crop((left, top, left + short, top + short)).resize((side, side), Image.Resampling.LANCZOS)


def jpeg(picture: Image.Image, quality: int = 88) -> bytes:
    """Return a picture as JPEG, full colour resolution."""
    buffer = io.BytesIO()
    picture.copy().save(buffer, "JPEG", quality=quality, subsampling=0)  # save() keeps its options in the picture
    return buffer.getvalue()


def data_url(file: bytes) -> str:
    """Return a JPEG or PNG file as a data URL."""
    kind = "png" if file.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{b64encode(file).decode()}"


def png(picture: Image.Image, made_from: Mapping[str, object] | None = None) -> bytes:
    """Return a picture as PNG, with its provenance as text."""
    notes = PngImagePlugin.PngInfo()
    for name, value in (made_from or {}).items():
        notes.add_itxt(name, value if isinstance(value, str) else json.dumps(value))
    buffer = io.BytesIO()
    picture.copy().save(buffer, "PNG", pnginfo=notes, compress_level=1)  # copied as for jpeg
    return buffer.getvalue()


def _cells(kinds: NDArray[np.uint8], colours: Sequence[str], border: str) -> Image.Image:
    """Return channels side by side, (C, H, W) indices into ``colours``; colour 0 fills the rest of a vector's plane."""
    if kinds.shape[1:] == (1, 1):
        kinds = _folded(kinds)
    channels, height, width = kinds.shape
    columns, rows = _grid(kinds.shape)
    grid = np.full((rows * columns, height + 1, width + 1), len(colours), np.uint8)  # lines between cells
    grid[:channels, :height, :width] = kinds
    whole = grid.reshape(rows, columns, height + 1, width + 1).swapaxes(1, 2)
    cells = whole.reshape(rows * (height + 1), columns * (width + 1))
    return _enlarged(_indexed(cells, [rgb(colour) for colour in (*colours, border)]), 720)


def _grid(planes: tuple[int, ...]) -> tuple[int, int]:
    """Return how many channels of (C, H, W) are side by side, and one below the other."""
    channels, height, width = planes
    columns = int(np.ceil(np.sqrt(channels * height / width)))
    return columns, -(-channels // columns)


def _folded(vector: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return (C, 1, 1) as one plane, (1, H, W), as square as possible, with its last cells 0."""
    width = int(np.ceil(np.sqrt(len(vector))))
    height = -(-len(vector) // width)
    plane = np.zeros(height * width, np.uint8)
    plane[: len(vector)] = vector[:, 0, 0]
    return plane.reshape(1, height, width)


def _indexed(cells: NDArray[np.uint8], palette: Sequence[tuple[int, int, int]]) -> Image.Image:
    """Return cells as a picture with a palette, written as PNG in a tenth of the time of full colours."""
    picture = Image.fromarray(cells)
    picture.putpalette([channel for colour in palette for channel in colour])
    return picture


def _between(start: str, end: str, count: int) -> list[tuple[int, int, int]]:
    first, last = np.array(rgb(start)), np.array(rgb(end))
    shades = first + np.linspace(0, 1, count)[:, None] * (last - first)
    return [(int(r), int(g), int(b)) for r, g, b in shades.round()]


def _enlarged(picture: Image.Image, least: int) -> Image.Image:
    factor = max(1, -(-least // max(picture.size)))
    return picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.NEAREST)
