"""Sets of neurons and channels to silence, or to keep while the others are silenced.

In a link a part is a site, a letter and a number: ``9c4`` is channel 4 of site 9, ``9n3000`` its neuron at flat
position 3000.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from core.errors import PathwayError
from core.network import Network

__all__ = ["MOST_PARTS", "KnockOut", "Part"]

MOST_PARTS = 200
MAX_BYTES = 100_000
_PART = re.compile(r"(\d{1,6})([cn])(\d{1,9})", re.ASCII)


@dataclass(frozen=True, order=True)
class Part:
    """One neuron or one whole channel.

    Attributes:
        site: index of its site.
        place: the channel's number, or the neuron's flat position.
        whole: whether it is a channel.
    """

    site: int
    place: int
    whole: bool

    @classmethod
    def read(cls, text: str) -> Part:
        """Return the part that a link names; ``str`` is the inverse.

        Raises:
            ValueError: the text names no part.
        """
        found = _PART.fullmatch(text)
        if found is None:
            raise ValueError(text)
        return cls(int(found[1]), int(found[3]), found[2] == "c")

    def __str__(self) -> str:
        return f"{self.site}{'c' if self.whole else 'n'}{self.place}"

    def fits(self, network: Network) -> bool:
        """Return whether a network has it."""
        if self.site >= len(network.sites):
            return False
        site = network.sites[self.site]
        return self.place < (site.planes[0] if self.whole else site.neurons)

    def title(self, network: Network) -> str:
        """Return the part's name as shown."""
        site = network.sites[self.site]
        channel, row, column = (self.place, 0, 0) if self.whole else site.place(self.place)
        where = "" if self.whole or site.planes[1:] == (1, 1) else f", row {row}, column {column}"
        return f"{site.name}, channel {channel}{where}"


@dataclass(frozen=True)
class KnockOut:
    """The parts that are silenced or, with ``only``, the only parts kept at their sites; other sites stay complete."""

    parts: tuple[Part, ...] = ()
    only: bool = False

    def adding(self, parts: Iterable[Part]) -> KnockOut:
        """Return the set with more parts after those in it; at most ``MOST_PARTS``."""
        return replace(self, parts=tuple(dict.fromkeys((*self.parts, *parts)))[:MOST_PARTS])

    def without(self, part: Part) -> KnockOut:
        """Return the set without a part."""
        return replace(self, parts=tuple(p for p in self.parts if p != part))

    def file(self, network: Network) -> bytes:
        """Return the set as a JSON file that names its network."""
        parts = [{"site": network.sites[part.site].name, "part": str(part)} for part in self.parts]
        made = {"kind": "knock-out", "network": network.name, "weights": network.weights_hash, "only": self.only}
        return json.dumps(made | {"parts": parts}, indent=1).encode()

    @classmethod
    def open(cls, file: bytes, network: Network) -> KnockOut:
        """Return the set in a file.

        Raises:
            PathwayError: the file is not a knock-out set, is too large, is of another network, or names parts that this
                network does not have.
        """
        if len(file) > MAX_BYTES:
            raise PathwayError(f"The file has {len(file)} bytes; a knock-out set has at most {MAX_BYTES}.")
        try:
            content = json.loads(file)
            parts = [Part.read(entry["part"]) for entry in content["parts"]]
            names = [str(entry["site"]) for entry in content["parts"]]
            made_for, only = str(content["network"]), content["only"] is True
        except (ValueError, KeyError, TypeError, RecursionError) as problem:
            raise PathwayError("This is not a knock-out set as this page writes them.") from problem
        if made_for != network.name:
            of = ascii(made_for[:80])[1:-1]
            raise PathwayError(f"The set is of {of}; the network here is {network.name}.")
        known = all(p.fits(network) and network.sites[p.site].name == n for p, n in zip(parts, names, strict=True))
        if not known or len(parts) > MOST_PARTS:
            raise PathwayError(f"The set names neurons that {network.name} does not have, or more than {MOST_PARTS}.")
        return cls(only=only).adding(parts)
