"""The one way pages offer files: named after what is looked at, and made only when somebody takes them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import streamlit as st

from explorer.compute import export
from explorer.compute.scene import Scene
from explorer.ui import session

__all__ = ["name_of", "offer", "offer_csv", "offer_picture", "offer_table"]


def name_of(scene: Scene, *what: str) -> str:
    """Return a file's name, without its kind: the image, the network, and what is in it."""
    return export.file_name(session.view().image, scene.network.name, *what)


def offer(label: str, name: str, mime: str, make: Callable[[], bytes], key: str) -> None:
    """Draw a button that makes a file when clicked and hands it over; ``key`` is the button's."""
    st.download_button(
        label, make, name, mime, key=f"offer_{key}", on_click="ignore", type="tertiary", icon=":material/download:"
    )


def offer_csv(
    name: str, make: Callable[[], Sequence[Mapping[str, object]]], made_from: Mapping[str, object], key: str
) -> None:
    """Draw a button for rows as CSV.

    Args:
        name: of the file, without its kind.
        make: makes the rows.
        made_from: what they were made from.
        key: of the button.
    """
    offer("CSV", f"{name}.csv", "text/csv", lambda: export.csv_file(make(), made_from), key)


def offer_picture(
    stem: str,
    picture: Callable[[], bytes],
    arrays: Callable[[], bytes],
    key: str,
    labels: tuple[str, str] = ("PNG", "NPZ"),
) -> None:
    """Draw the buttons for a picture, PNG, and for the numbers behind it, NPZ.

    Args:
        stem: of both files' names.
        picture, arrays: make them, each when its button is clicked.
        key: before the buttons' keys.
        labels: of the two.
    """
    with st.container(horizontal=True, gap="small"):
        offer(labels[0], f"{stem}.png", "image/png", picture, f"{key}_png")
        offer(labels[1], f"{stem}.npz", "application/octet-stream", arrays, f"{key}_npz")


def offer_table(rows: Sequence[Mapping[str, object]], name: str, made_from: Mapping[str, object], key: str) -> None:
    """Draw a way to see rows as a table, and one to take them away as CSV; see ``offer_csv``."""
    with st.container(horizontal=True, gap="small", width="content"):
        with st.popover("Table", type="tertiary", icon=":material/table:", key=f"table_{key}"):
            st.dataframe(list(rows), hide_index=True)
        offer_csv(name, lambda: rows, made_from, key)
