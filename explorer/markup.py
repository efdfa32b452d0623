"""Small pieces of HTML that Streamlit has no element for; all text is escaped here."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape

from explorer.figures import data_url
from explorer.words import percent

__all__ = ["answers", "brand", "colour_bar", "facts", "image", "inert_zone", "legend", "made_from", "panel_title"]


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
    """Return classes with their probabilities as bars; each is (name, probability, is the target); then a line.

    It is as high as ``rows`` of them, so that what stands below lines up from panel to panel.
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


def inert_zone(share: float, text: str) -> str:
    """Return a hatched bar under a slider over the share of its length that changes nothing."""
    return f'<div class="inert"><i style="--share:{100 * share:.1f}%"></i><span>{escape(text)}</span></div>'


def colour_bar(low: str, high: str, colours: Sequence[str]) -> str:
    """Return a colour scale with what its ends mean."""
    bar = f'<i style="background:linear-gradient(90deg, {", ".join(colours)})"></i>'
    return f'<div class="scale">{escape(low)}{bar}{escape(high)}</div>'


def image(file: bytes, alt: str, dark: bytes | None = None) -> str:
    """Return a picture as part of the page itself; ``dark`` is shown in its place on a dark screen."""
    shown = f'<img src="{data_url(file)}" alt="{escape(alt)}">'
    if dark is None:
        return shown
    media = "screen and (prefers-color-scheme: dark)"
    return f'<picture><source media="{media}" srcset="{data_url(dark)}">{shown}</picture>'
