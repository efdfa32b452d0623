"""The paper's printed numbers, in the form in which charts and tables show them."""

from __future__ import annotations

from collections.abc import Sequence

from explorer.views.paper import AS_PRINTED, LEAST_RELEVANT, ON_POSTER, printed_dead_shares, printed_overlap, tables
from explorer.views.studies.choice import Studied

__all__ = ["LERF", "POSTER", "dead_share", "least_relevant", "methods_of", "pair", "roar"]

POSTER = "as printed on its poster, VGG16, mean of 1000 ImageNet validation images, sparsity 90 %"
LERF = "shipped with its code, mean over 2000 images"
UNMODIFIED = {"roar_cifar_10": 0.8436, "roar_birdsnap": 0.5863}  # test accuracy on the unchanged images


def methods_of(studied: Sequence[Studied]) -> dict[str, str]:
    """Return the method behind every title."""
    return {title: method for each in studied for title, method in each.run.methods.items()}


def dead_share(method: str) -> float | None:
    """Return a printed dead share, None where there is none."""
    return printed_dead_shares().get(method)


def pair(first: str, second: str) -> tuple[float | None, float | None]:
    """Return a printed overlap, under its printed labels and under the labels exchanged."""
    if first not in ON_POSTER or second not in ON_POSTER:
        return None, None
    found = printed_overlap(first, second)
    return found.as_printed, found.exchanged


def least_relevant(method: str) -> dict[str, float | None]:
    """Return the printed areas under LeRF up to 10 % by data set and network."""
    name = AS_PRINTED.get(method)
    return {title: tables()[table]["rows"][name][-1] if name else None for title, table in LEAST_RELEVANT.items()}


def roar(table: str) -> tuple[list[float], dict[str, list[float]], float]:
    """Return the printed fractions removed, each method's accuracies by the paper's name, and the unmodified one."""
    found = tables()[table]
    fractions = [float(name) / 100 for name in found["columns"][:-1]]
    accuracies = {name: [value / 100 for value in row[:-1]] for name, row in found["rows"].items()}
    return fractions, accuracies, UNMODIFIED[table]
