"""A strategy: a selection method with its options, or a reference that no method makes.

The references are the original network, all neurons, and its active subnet, all that are not dead for the image.
In a link a strategy is its name and what differs from the defaults: ``NeuronIntGrad!n_steps=30``.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import PathwayError
from core.methods import METHODS, Method

__all__ = ["ACTIVE", "ORIGINAL", "STRATEGIES", "Strategy"]

ORIGINAL, ACTIVE = "Original", "ActiveSubnet"
_REFERENCES = {
    ORIGINAL: ("Original network", "All neurons: nothing is selected."),
    ACTIVE: ("Active subnet", "Every neuron that is not dead for this image."),
}
STRATEGIES = (*METHODS, *_REFERENCES)
"""Every name a strategy may bear, in the order in which people meet them."""


@dataclass(frozen=True)
class Strategy:
    """What a column of a comparison shows.

    Attributes:
        name: one of ``STRATEGIES``.
        options: those that differ from the method's defaults, in the order of their names.
    """

    name: str
    options: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, name: str, /, **options: int) -> Strategy:
        """Return a strategy with some options chosen.

        Raises:
            PathwayError: there is no such strategy, or an option does not fit it.
        """
        if name not in STRATEGIES or (name in _REFERENCES and options):
            raise PathwayError(f"Got strategy {name!r} with {options}, wanted one of {', '.join(STRATEGIES)}.")
        if name in _REFERENCES:
            return cls(name)
        defaults, chosen = METHODS[name].checked(), METHODS[name].checked(**options)
        return cls(name, tuple(sorted((o, value) for o, value in chosen.items() if value != defaults[o])))

    @classmethod
    def read(cls, text: str) -> Strategy:
        """Return the strategy that a link names; the other way round it is ``str``.

        Raises:
            PathwayError: as ``of``.
            ValueError: an option is not a plain number, or is named twice.
        """
        name, *options = text.split("!")
        pairs = [option.partition("=")[::2] for option in options]
        if len(dict(pairs)) < len(pairs) or not all(value.isascii() and value.isdigit() for _, value in pairs):
            raise ValueError(text)
        return cls.of(name, **{option: int(value) for option, value in pairs})

    def __str__(self) -> str:
        return "!".join((self.name, *(f"{option}={value}" for option, value in self.options)))

    @property
    def method(self) -> Method | None:
        """Return the method, None for a reference."""
        return METHODS.get(self.name)

    @property
    def family(self) -> str:
        """Return the method's family, or "reference"."""
        return self.method.family if self.method else "reference"

    @property
    def title(self) -> str:
        """Return what people read: the name, and the options that are not defaults."""
        return self.method.title(**self.chosen) if self.method else _REFERENCES[self.name][0]

    @property
    def summary(self) -> str:
        """Return one sentence about it."""
        return self.method.summary if self.method else _REFERENCES[self.name][1]

    @property
    def uses_target(self) -> bool:
        """Return whether another target selects other neurons."""
        return self.method is not None and self.method.uses_target

    @property
    def chosen(self) -> dict[str, int]:
        """Return all options, chosen or default."""
        return self.method.checked(**dict(self.options)) if self.method else {}

    def with_option(self, option: str, value: int) -> Strategy:
        """Return the strategy with one option set."""
        return Strategy.of(self.name, **{**dict(self.options), option: value})
