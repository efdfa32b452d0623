"""Small pieces of HTML for which Streamlit has no element; all text is escaped here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from explorer.plots.figures import data_url
from explorer.plots.words import percent

__all__ = ["answers", "brand", "colour_bar", "facts", "image", "legend", "made_from", "panel_title", "runs_out"]


def panel_title(title: str, detail: str = "", colour: str = "") -> str:
    """Return a panel's heading, with a square of its method's colour."""
    swatch = f'<span class="swatch" style="background:{colour}"></span>' if colour else ""
    text = f"{swatch}{escape(title)}<small>{escape(detail)}</small>"
    return f'<div class="panel-title" role="heading" aria-level="3">{text}</div>'


def brand(logo: str) -> str:
    """Return the product's name beside its logo, given as the text of an SVG file."""
    source = b64encode(logo.encode()).decode()
    name = "<b>Pathway Explorer</b><small>critical pathways, neuron by neuron</small>"
    return f'<div class="brand"><img src="data:image/svg+xml;base64,{source}" alt=""><div>{name}</div></div>'


def facts(pairs: Mapping[str, str]) -> str:
    """Return names and values in two columns."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs.items())
    return f'<dl class="facts">{rows}</dl>'


def answers(top: Sequence[tuple[str, float, bool]], rows: int, rest: str = "") -> str:
    """Return classes with their probabilities as bars, each given as (name, probability, is the target), then a line.

    The result is as high as ``rows`` classes, so that what stands below lines up from panel to panel.
    """
    items = "".join(
        f'<li class="{"target" if target else ""}" style="--share:{100 * share:.1f}%">'
        f'<span title="{escape(name)}">{escape(name)}{" ◂" if target else ""}</span>'
        f"<b>{escape(percent(share))}</b></li>"
        for name, share, target in top
    )
    items += f'<li class="rest"><span>{escape(rest)}</span></li>' if rest else ""
    return f'<ol class="answers" style="--rows:{rows}">{items}</ol>'


def made_from(parts: Mapping[str, object]) -> str:
    """Return the line that says what a picture was made from."""
    text = " · ".join(f"{escape(name)} {escape(str(value))}" for name, value in parts.items())
    return f'<p class="made-from">{text}</p>'


def legend(entries: Mapping[str, str]) -> str:
    """Return colours and what they mean."""
    items = "".join(
        f'<span><span class="swatch" style="background:{colour}"></span>{escape(name)}</span>'
        for name, colour in entries.items()
    )
    return f'<div class="legend">{items}</div>'


def runs_out(place: float, text: str, card: str, colour: str) -> str:
    """Return a mark under a slider that opens a card.

    Args:
        place: along the slider's length, in [0, 1].
        text: beside the mark.
        card: what it means.
        colour: of the mark.
    """
    side = "before" if place > 0.5 else "after"
    return (
        f'<details class="runs-out {side}" style="--at:{100 * place:.1f}%;--mark:{colour}"><summary>{escape(text)}'
        f"</summary><p>{escape(card)}</p></details>"
    )


def colour_bar(low: str, high: str, words: str, colours: Sequence[str], note: str = "") -> str:
    """Return a colour scale with the values at its ends, whose scale it is, and a note."""
    bar = f'<i style="background:linear-gradient(90deg, {", ".join(colours)})"></i>'
    text = " · ".join(part for part in (words, note) if part)
    said = f"<small>{escape(text)}</small>" if text else ""
    return f'<div class="scale">{escape(low)}{bar}<b>{escape(high)}</b>{said}</div>'


def image(file: bytes, alt: str, dark: bytes | None = None) -> str:
    """Return a picture as part of the page itself; ``dark`` is shown in its place on a dark screen."""
    shown = f'<img src="{data_url(file)}" alt="{escape(alt)}">'
    if dark is None:
        return shown
    media = "screen and (prefers-color-scheme: dark)"
    return f'<picture><source media="{media}" srcset="{data_url(dark)}">{shown}</picture>'
