"""The course of pathways in the report: bars, a table and masks, laid out by ``templates/layers.html``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from markupsafe import Markup

from explorer import ui
from explorer.compute import Scene, neurons
from explorer.plots import DARK, LIGHT, figures, number, palette, percent
from explorer.state import View
from explorer.views.columns import Shown

__all__ = ["Layers", "layers"]

LEFT, RIGHT, CEILING, FLOOR = 46, 996, 14, 150  # of the strip's bars, in a picture of 1000 x 190
STOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class _Bar:
    """The share that a method keeps at a site; it stands on the strip's floor."""

    x: float
    width: float
    height: float
    colour: str
    words: str
    hatched: bool


@dataclass(frozen=True)
class _Strip:
    """The share kept at every site as bars.

    Attributes:
        alt: the same in words.
        grid: (y, share) of its lines.
        numbers: (x, index) of the sites that are numbered.
        chosen: where the chosen site begins.
        slot: how wide a site is.
        bars: of all methods.
        sides: left, right, ceiling and floor of the bars.
    """

    alt: str
    grid: Sequence[tuple[float, float]]
    numbers: Sequence[tuple[float, int]]
    chosen: float
    slot: float
    bars: Sequence[_Bar]
    sides: tuple[int, int, int, int] = (LEFT, RIGHT, CEILING, FLOOR)


@dataclass(frozen=True)
class _Row:
    """A site in the table; ``shares`` are (colour, length of the bar in [0, 1], in words), one per method."""

    index: int
    name: str
    neurons: str
    dead: str
    shares: Sequence[tuple[str, float, str]]
    chosen: bool


@dataclass(frozen=True)
class _Masks:
    """The masks at the chosen site: by position, if it has more than one, and of every channel."""

    title: Markup
    positions: Markup
    channels: Markup
    note: str


@dataclass(frozen=True)
class Layers:
    """The values that ``templates/layers.html`` lays out."""

    legend: Markup
    strip: _Strip
    titles: Sequence[str]
    rows: Sequence[_Row]
    site: str
    mask_legend: Markup
    masks: Sequence[_Masks]


def layers(scene: Scene, view: View, shown: Sequence[Shown]) -> Layers | None:
    """Return the share kept at every site, and each method's masks at the chosen one; None where no method is there."""
    if not shown:
        return None
    names = {f"{column.title}{', hatched' if place else ''}": column.colour for place, column in enumerate(shown)}
    return Layers(
        ui.legend(names),
        _strip(scene, view, shown),
        [column.title for column in shown],
        _rows(scene, view, shown),
        scene.network.sites[view.site_in(scene.network)].name,
        ui.legend({"on it but dead": palette.DEAD, "active, not on it": "var(--quiet)"}),
        [_masks(scene, view, column) for column in shown],
    )


def _shares(scene: Scene, column: Shown) -> list[float]:
    return [size / site.neurons for size, site in zip(column.answer.sizes, scene.network.sites, strict=True)]


def _strip(scene: Scene, view: View, shown: Sequence[Shown]) -> _Strip:
    sites, shares = scene.network.sites, {column.title: _shares(scene, column) for column in shown}
    most = {title: max(range(len(values)), key=values.__getitem__) for title, values in shares.items()}
    top = next(stop for stop in STOPS if stop >= max(map(max, shares.values())))
    slot = (RIGHT - LEFT) / len(sites)
    alt = "Share of neurons kept at each site. " + " ".join(
        f"{title} keeps most at {sites[at].name}, {percent(shares[title][at])}." for title, at in most.items()
    )
    return _Strip(
        alt,
        [(FLOOR - (FLOOR - CEILING) * share / top, share) for share in (0.0, top / 2, top)],
        [(LEFT + (index + 0.5) * slot, index) for index in range(0, len(sites), ceil(len(sites) / 30))],
        LEFT + view.site_in(scene.network) * slot,
        slot,
        [bar for place, c in enumerate(shown) for bar in _bars(scene, c, place, 0.82 * slot / len(shown), top)],
    )


def _bars(scene: Scene, column: Shown, place: int, width: float, top: float) -> list[_Bar]:
    """Return one method's bars; those of the second are hatched, so that they differ by more than colour."""
    sites, bars = scene.network.sites, []
    for site, share in zip(sites, _shares(scene, column), strict=True):
        x = LEFT + (site.index + 0.09) * (RIGHT - LEFT) / len(sites) + place * width
        words = f"{site.name}: {column.title} {percent(share, 2)}"
        bars.append(_Bar(x, width, (FLOOR - CEILING) * share / top, column.colour, words, hatched=place == 1))
    return bars


def _rows(scene: Scene, view: View, shown: Sequence[Shown]) -> list[_Row]:
    shares, at = [(column.colour, _shares(scene, column)) for column in shown], view.site_in(scene.network)
    return [
        _Row(
            site.index,
            site.name,
            number(site.neurons),
            percent(int(dead.count_nonzero()) / site.neurons),
            [(c, v[site.index] / (max(v) or 1), percent(v[site.index], 2)) for c, v in shares],
            chosen=site.index == at,
        )
        for site, dead in zip(scene.network.sites, scene.dead, strict=True)
    ]


def _masks(scene: Scene, view: View, column: Shown) -> _Masks:
    site = scene.network.sites[view.site_in(scene.network)]
    planes = neurons.site_planes(scene, column.selection, view.sparsity, view.site_in(scene.network))
    kept, dead = int(planes.mask.sum()), int((planes.mask & planes.dead).sum())
    share = percent(kept / site.neurons)
    words = f"{number(kept)} of {number(site.neurons)} kept ({share}), {number(dead)} of them dead"
    whole = [figures.png(figures.mosaic(planes.mask, planes.dead, column.colour, t)) for t in (LIGHT, DARK)]
    mosaic = ui.image(whole[0], f"{column.title}, all channels of {site.name}: {words}.", whole[1])
    title = ui.panel_title(column.title, words, column.colour)
    channels, height, width = site.planes
    if height * width == 1:
        return _Masks(title, Markup(), mosaic, f"All {channels} channels, by number.")
    counts = planes.mask.sum(0)
    most, (row, at) = f"{counts.max()} of {channels}", divmod(int(counts.argmax()), width)
    alt = f"{column.title}, kept channels per position; most, {most}, at row {row}, column {at}."
    pale = [figures.png(figures.position_map(planes.mask, planes.dead, column.colour, t)) for t in (LIGHT, DARK)]
    note = f"Left: kept channels per position, full colour where {most}. Right: all {channels} channels, by number."
    return _Masks(title, ui.image(pale[0], alt, pale[1]), mosaic, note)
