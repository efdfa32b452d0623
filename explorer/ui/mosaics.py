"""A mosaic of masks, shown as a picture in which a click opens a neuron."""

from __future__ import annotations

from core.network import Site
from explorer.plots import figures
from explorer.ui import components, navigation, session

__all__ = ["show_mosaic"]


def show_mosaic(file: bytes, site: Site, alt: str, key: str) -> None:
    """Show a mosaic of a site, a PNG file; a click on a cell opens its neuron on a page of its own."""

    def picked(across: int, down: int) -> None:
        place = figures.mosaic_neuron(site.planes, across, down)
        if place is None:
            session.change(lambda v: v)
            return
        navigation.open_neuron((site.index, site.position(*place)))

    components.mask_picker(
        figures.data_url(file),
        alt,
        figures.mosaic_cells(site.planes),
        figures.mosaic_grid(site.planes),
        key,
        on_picked=picked,
    )
