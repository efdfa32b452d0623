"""Where in a file the weights of an architecture are, found by their names and shapes.

    found = find_matches(content, "resnet18")       # the sets of tensors that are named like its weights
    [match.name for match in found if match.fits]   # ["model", "model_ema"]

A file is a tree of dictionaries. Every dictionary of tensors in it, wherever it lies, is looked at: for each prefix,
such as "module." or "backbone.", the names after it are compared with the architecture's. A set fits if all weights are
there, in the right shapes but for the number of classes. What else is there was put beside the network by training
(a loss, a profiler's counters, a second model) and is left out, unless it belongs to one of the network's own stages:
the blocks that ResNet-34 has and ResNet-18 does not are part of a network, and leaving them out makes another one.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from core.errors import printable
from core.models.architectures import AUXILIARY, WRAPPERS, canonical, head, is_required, outline
from core.models.pickles import StandIn
from core.models.torch_files import Stored

__all__ = ["Match", "Weight", "find_groups", "find_matches", "head_layer", "holds_arrays"]

MAX_SETS = 10  # of weights that fit, in one file
MAX_WRAPPERS = 6  # around layers inside a network, one in another
MAX_DEPTH = 8  # of dictionaries and lists in one another
LONGEST_PATH = 200  # characters

Weight = Tensor | Stored


@dataclass(frozen=True)
class Match:
    """Tensors of a file that are named like weights of an architecture, if only some of them.

    Attributes:
        name: of the set: the keys that lead to it, then the prefix where several sets share a dictionary.
        architecture: whose weights they are compared with.
        weights: by the architecture's names.
        inside: of other names, but in a stage of the network; by name without the prefix.
        beside: names of all other tensors of that dictionary, as the file has them.
    """

    name: str
    architecture: str
    weights: Mapping[str, Weight]
    inside: Mapping[str, Weight]
    beside: tuple[str, ...]

    @property
    def missing(self) -> list[str]:
        """Return the names of weights that are not there."""
        return [key for key in outline(self.architecture) if key not in self.weights and is_required(key)]

    @property
    def misshapen(self) -> list[str]:
        """Return the names of weights of a shape that no number of classes explains."""
        wanted, layer = outline(self.architecture), head_layer(self.architecture)
        return [
            key
            for key, value in self.weights.items()
            if not _is_like(tuple(value.shape), wanted[key], free=1 if key.startswith(layer) else 0)
        ]

    @property
    def fits(self) -> bool:
        """Whether these are all weights of the architecture, and no part of another one."""
        return not (self.missing or self.misshapen or self.inside)


def head_layer(architecture: str) -> str:
    """Return how the names of the last layer's weights begin."""
    return head(architecture).rpartition(".")[0] + "."


def _is_like(shape: tuple[int, ...], wanted: tuple[int, ...], *, free: int) -> bool:
    """Whether shapes are the same, but for the length of the first axes."""
    return len(shape) == len(wanted) and shape[free:] == wanted[free:] and 0 not in shape


def find_matches(content: Any, architecture: str) -> list[Match]:
    """Return the sets of tensors that have all of an architecture's weights by name, in the order of the file.

    Where none has, the one that has most of them is returned; nothing where none has any.

    Raises:
        ValueError: there are more of them than a person can choose from.
    """
    found = list(_named_alike(content, architecture))
    required = {key for key in outline(architecture) if is_required(key)}
    complete = [each for each in found if required <= each.keys.keys()]
    if len(complete) > MAX_SETS:
        raise ValueError(f"more than {MAX_SETS} sets of weights of {architecture} are in it")
    best = complete or sorted(found, key=lambda each: -len(each.keys))[:1]
    return [_match(name, each, architecture) for name, each in zip(_names(best), best, strict=True)]


def _names(found: list[_Alike]) -> list[str]:
    """Return names that no two sets of weights share: the keys that lead there, if need be a prefix, then a number."""
    in_group = Counter(id(each.group) for each in found)
    full = [f"{each.path}.{each.prefix}" if in_group[id(each.group)] > 1 else each.path for each in found]
    names = [printable(name.strip(".")[:LONGEST_PATH]) for name in full]
    return [f"{name} ({count + 1})" if (count := names[:n].count(name)) else name for n, name in enumerate(names)]


@dataclass(frozen=True)
class _Alike:
    """Keys of a dictionary that are the architecture's after a prefix; by the architecture's names."""

    path: str
    group: Mapping[str, Weight]
    prefix: str
    keys: dict[str, str]


def _named_alike(content: Any, architecture: str) -> Iterator[_Alike]:
    spot = _spotter(architecture)
    for path, group in find_groups(content):
        prefixes: dict[str, dict[str, str]] = {}
        for key in group:
            for prefix, name in spot(key):
                known = prefixes.setdefault(prefix, {})
                if name not in known or key == prefix + name:
                    known[name] = key
        for prefix, keys in prefixes.items():
            yield _Alike(path, group, prefix, keys)


def _match(name: str, found: _Alike, architecture: str) -> Match:
    used = set(found.keys.values())
    others = [key for key in found.group if key not in used]
    stages = {key.partition(".")[0] for key in outline(architecture)}
    inside = {key for key in others if _is_inside(key, found.prefix, stages, found.group[key], architecture)}
    return Match(
        name,
        architecture,
        {own: found.group[key] for own, key in found.keys.items()},
        {key.removeprefix(found.prefix): found.group[key] for key in others if key in inside},
        tuple(printable(key) for key in others if key not in inside),
    )


def _is_inside(key: str, prefix: str, stages: set[str], value: Weight, architecture: str) -> bool:
    """Whether a tensor belongs to a stage of the network, and is neither a counter nor part of training's own heads."""
    name = key.removeprefix(prefix)
    if not key.startswith(prefix) or canonical(name).startswith(AUXILIARY.get(architecture, ())):
        return False
    return canonical(name).partition(".")[0] in stages and math.prod(value.shape) > 1


def _spotter(architecture: str) -> Callable[[str], list[tuple[str, str]]]:
    """Return a function that splits a key into a prefix and a name of the architecture's, in every way there is."""
    wanted = outline(architecture)
    parts = max(key.count(".") for key in wanted) + 1 + MAX_WRAPPERS
    known: dict[str, list[tuple[str, str]]] = {}  # the same key is often in several dictionaries

    def spot(key: str) -> list[tuple[str, str]]:
        if key not in known:
            starts = [0, *(place + 1 for place, letter in enumerate(key) if letter == ".")][-parts:]
            splits = [(key[:start], canonical(key[start:])) for start in starts if not key.startswith(WRAPPERS, start)]
            known[key] = [(prefix, name) for prefix, name in splits if name in wanted]
        return known[key]

    return spot


def find_groups(content: Any) -> Iterator[tuple[str, dict[str, Weight]]]:
    """Yield every dictionary of tensors in a file's content with the keys that lead to it, the outermost first."""
    for path, value in _containers(content):
        if isinstance(value, dict):
            group = {key: each for key, each in value.items() if isinstance(each, Tensor | Stored)}
            if group:
                yield path, group


def holds_arrays(content: Any) -> bool:
    """Whether a dictionary in a file's content holds NumPy arrays."""
    return any(
        isinstance(each, StandIn) and each.name.startswith("numpy") and "_reconstruct" in each.name
        for _, value in _containers(content)
        if isinstance(value, dict)
        for each in value.values()
    )


def _containers(content: Any) -> Iterator[tuple[str, Any]]:
    """Yield every dictionary, list and tuple once, level by level; they may hold one another, or themselves."""
    level, seen = [("", content)], {id(content)}
    for _ in range(MAX_DEPTH):
        below: list[tuple[str, Any]] = []
        for path, value in level:
            yield path, value
            for key, each in _items(value):
                if id(each) not in seen:
                    seen.add(id(each))
                    below.append((f"{path}.{key}".strip(".")[:LONGEST_PATH], each))
        level = below


def _items(value: Any) -> list[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    return [(key, each) for key, each in items if isinstance(each, dict | list | tuple) and each]
