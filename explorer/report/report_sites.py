"""The course of pathways in the report: bars in SVG, a table, and masks, each a picture for light and one for dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil

from explorer.compute import neurons
from explorer.compute.scene import Scene
from explorer.plots import figures, palette
from explorer.plots.palette import DARK, LIGHT
from explorer.plots.words import number, percent
from explorer.state.view import View
from explorer.ui import markup
from explorer.views.columns import Shown

__all__ = ["layers"]

LEFT, RIGHT, CEILING, FLOOR = 46, 996, 14, 150  # of the strip's bars, in a picture of 1000 x 190
HATCH = (
    '<defs><pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    '<path d="M0 0V5" stroke="var(--page)" stroke-width="3" opacity=".55"/></pattern></defs>'
)
STOPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0)


def layers(scene: Scene, view: View, shown: Sequence[Shown]) -> str:
    """Return the share kept at every site, as bars and as a table, and each method's masks at the chosen one."""
    if not shown:
        return '<p class="note">No method had finished.</p>'
    names = {f"{column.title}{', hatched' if place else ''}": column.colour for place, column in enumerate(shown)}
    masks = "".join(f"<figure>{_masks(scene, view, column)}</figure>" for column in shown)
    at = f'<h2 class="site">Masks at {escape(scene.network.sites[view.site_in(scene.network)].name)}</h2>'
    return (
        markup.legend(names)
        + _strip(scene, view, shown)
        + _table(scene, view, shown)
        + at
        + markup.legend({"on it but dead": palette.DEAD, "active, not on it": "var(--quiet)"})
        + f'<div class="masks">{masks}</div>'
    )


def _shares(scene: Scene, column: Shown) -> list[float]:
    return [size / site.neurons for size, site in zip(column.answer.sizes, scene.network.sites, strict=True)]


def _strip(scene: Scene, view: View, shown: Sequence[Shown]) -> str:
    """Return the share kept at every site as bars; the chosen site is framed."""
    sites, shares = scene.network.sites, {column.title: _shares(scene, column) for column in shown}
    most = {title: max(range(len(values)), key=values.__getitem__) for title, values in shares.items()}
    top = next(stop for stop in STOPS if stop >= max(map(max, shares.values())))
    slot = (RIGHT - LEFT) / len(sites)
    drawn = [
        HATCH,
        _grid(top),
        _site_numbers(len(sites), slot),
        _frame(LEFT + view.site_in(scene.network) * slot, slot),
    ]
    for place, column in enumerate(shown):
        drawn += _bars(scene, column, place, 0.82 * slot / len(shown), top)
    alt = "Share of neurons kept at each site. " + " ".join(
        f"{title} keeps most at {sites[at].name}, {percent(shares[title][at])}." for title, at in most.items()
    )
    svg = f'<svg class="strip" viewBox="0 0 1000 190" role="img" aria-label="{escape(alt)}">{"".join(drawn)}</svg>'
    return f'<div class="wide">{svg}</div>'


def _bars(scene: Scene, column: Shown, place: int, width: float, top: float) -> list[str]:
    """Return one method's bars; those of the second are hatched, so that they differ by more than colour."""
    sites, bars = scene.network.sites, []
    for site, share in zip(sites, _shares(scene, column), strict=True):
        x = LEFT + (site.index + 0.09) * (RIGHT - LEFT) / len(sites) + place * width
        words = f"{site.name}: {column.title} {percent(share, 2)}"
        bars.append(_bar(x, width, share / top, column.colour, words, hatched=place == 1))
    return bars


def _grid(top: float) -> str:
    lines = []
    for share in (0.0, top / 2, top):
        y = FLOOR - (FLOOR - CEILING) * share / top
        lines.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>')
        lines.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * share:g} %</text>')
    return "".join(lines)


def _site_numbers(count: int, slot: float) -> str:
    step = ceil(count / 30)
    texts = (
        f'<text x="{LEFT + (i + 0.5) * slot:.1f}" y="{FLOOR + 16}" text-anchor="middle">{i}</text>'
        for i in range(0, count, step)
    )
    title = f'<text x="{(LEFT + RIGHT) / 2}" y="{FLOOR + 35}" text-anchor="middle">site, from image to logits</text>'
    return "".join(texts) + title


def _frame(x: float, slot: float) -> str:
    box = f'x="{x:.1f}" y="{CEILING - 6}" width="{slot:.1f}" height="{FLOOR - CEILING + 6}"'
    return f'<rect {box} fill="{palette.MARK}" fill-opacity=".08" stroke="{palette.MARK}" stroke-width="1.5"/>'


def _bar(x: float, width: float, height: float, colour: str, words: str, *, hatched: bool) -> str:
    tall = (FLOOR - CEILING) * height
    box = f'x="{x:.2f}" y="{FLOOR - tall:.2f}" width="{width:.2f}" height="{tall:.2f}"'
    over = f'<rect {box} fill="url(#hatch)"/>' if hatched else ""
    return f'<g><title>{escape(words)}</title><rect {box} fill="{colour}"/>{over}</g>'


def _table(scene: Scene, view: View, shown: Sequence[Shown]) -> str:
    heads = "".join(f'<th class="share">{escape(column.title)}</th>' for column in shown)
    head = f'<tr><th>#</th><th class="name">Site</th><th>Neurons</th><th>Dead</th>{heads}</tr>'
    shares = [_shares(scene, column) for column in shown]
    rows, at = [], view.site_in(scene.network)
    for site, dead in zip(scene.network.sites, scene.dead, strict=True):
        cells = "".join(_share_cell(v[site.index], max(v), c.colour) for c, v in zip(shown, shares, strict=True))
        rows.append(
            f"<tr{' class=at' if site.index == at else ''}><td>{site.index}</td>"
            f'<td class="name">{escape(site.name)}</td><td>{number(site.neurons)}</td>'
            f"<td>{percent(int(dead.count_nonzero()) / site.neurons)}</td>{cells}</tr>"
        )
    caption = "Share of each site's neurons kept; bars run to the method's largest share."
    body = f"<thead>{head}</thead><tbody>{''.join(rows)}</tbody>"
    return f'<div class="wide"><table>{body}</table></div><p class="note">{caption}</p>'


def _share_cell(share: float, most: float, colour: str) -> str:
    return f'<td class="share" style="--colour:{colour};--share:{share / (most or 1):.3f}">{percent(share, 2)}</td>'


def _masks(scene: Scene, view: View, column: Shown) -> str:
    """Return the masks at the chosen site: by position, and of every channel."""
    site = scene.network.sites[view.site_in(scene.network)]
    planes = neurons.site_planes(scene, column.selection, view.sparsity, view.site_in(scene.network))
    kept, dead = int(planes.mask.sum()), int((planes.mask & planes.dead).sum())
    share = percent(kept / site.neurons)
    words = f"{number(kept)} of {number(site.neurons)} kept ({share}), {number(dead)} of them dead"
    whole = [figures.png(figures.mosaic(planes.mask, planes.dead, column.colour, t)) for t in (LIGHT, DARK)]
    mosaic = markup.image(whole[0], f"{column.title}, all channels of {site.name}: {words}.", whole[1])
    title = markup.panel_title(column.title, words, column.colour)
    channels, height, width = site.planes
    if height * width == 1:
        return f'{title}<div class="planes one">{mosaic}</div><p class="note">All {channels} channels, by number.</p>'
    counts = planes.mask.sum(0)
    most = f"{counts.max()} of {channels}"
    alt = f"{column.title}, kept channels per position; most, {most}, at row %d, column %d."
    pale = [figures.png(figures.position_map(planes.mask, planes.dead, column.colour, t)) for t in (LIGHT, DARK)]
    positions = markup.image(pale[0], alt % divmod(int(counts.argmax()), width), pale[1])
    note = f"Left: kept channels per position, full colour where {most}. Right: all {channels} channels, by number."
    return f'{title}<div class="planes">{positions}{mosaic}</div><p class="note">{note}</p>'
