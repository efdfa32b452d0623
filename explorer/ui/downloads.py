"""Files to download, named after their provenance, which is in them, and made when the button is clicked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray
from PIL import Image

from explorer.compute import Provenance, export
from explorer.plots import figures

__all__ = ["offer", "offer_csv", "offer_npz", "offer_picture", "offer_png", "offer_table"]

MIME = {"csv": "text/csv", "html": "text/html", "json": "application/json", "png": "image/png"}

Rows = Sequence[Mapping[str, object]]
Arrays = Mapping[str, NDArray[np.generic]]


def offer(label: str, kind: str, made_from: Provenance, make: Callable[[], bytes], key: str) -> None:
    """Draw a button that makes a file when clicked and hands it over.

    Args:
        label: of the button.
        kind: of the file, such as "csv".
        made_from: names the file.
        make: makes it.
        key: of the button.
    """
    st.download_button(
        label,
        make,
        made_from.file_name(kind),
        MIME.get(kind, "application/octet-stream"),
        key=f"offer_{key}",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


def offer_csv(rows: Callable[[], Rows], made_from: Provenance, key: str) -> None:
    """Draw a button for rows as CSV; ``rows`` makes them, ``key`` is the button's."""
    offer("CSV", "csv", made_from, lambda: export.csv_file(rows(), made_from.facts), key)


def offer_png(picture: Callable[[], Image.Image], made_from: Provenance, key: str, label: str = "PNG") -> None:
    """Draw a button for a picture as PNG; ``picture`` draws it, ``key`` goes before the button's."""
    offer(label, "png", made_from, lambda: figures.png(picture(), made_from.facts), f"{key}_png")


def offer_npz(arrays: Callable[[], Arrays], made_from: Provenance, key: str, label: str = "NPZ") -> None:
    """Draw a button for arrays as NPZ; ``arrays`` makes them, ``key`` goes before the button's."""
    offer(label, "npz", made_from, lambda: export.npz_file(arrays(), made_from.facts), f"{key}_npz")


def offer_picture(
    picture: Callable[[], Image.Image],
    arrays: Callable[[], Arrays],
    made_from: Provenance,
    key: str,
    *,
    drawn: Mapping[str, object] | None = None,
    labels: tuple[str, str] = ("PNG", "NPZ"),
) -> None:
    """Draw the buttons for a picture, PNG, and for the numbers behind it, NPZ.

    Args:
        picture, arrays: make them, each when its button is clicked.
        made_from: of both.
        key: before the buttons' keys.
        drawn: further facts about the picture alone.
        labels: of the two.
    """
    with st.container(horizontal=True, gap="small"):
        offer_png(picture, made_from | (drawn or {}), key, labels[0])
        offer_npz(arrays, made_from, key, labels[1])


def offer_table(rows: Rows, made_from: Provenance, key: str) -> None:
    """Draw a way to see rows as a table, and one to take them away as CSV; see ``offer_csv``."""
    with st.container(horizontal=True, gap="small", width="content"):
        with st.popover("Table", type="tertiary", icon=":material/table:", key=f"table_{key}"):
            st.dataframe(list(rows), hide_index=True)
        offer_csv(lambda: rows, made_from, key)
