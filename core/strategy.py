"""A strategy: a selection method with its options, or a reference that needs no method.

    strategy = Strategy.parse("NeuronIntGrad:n_steps=30")     # as the command line, links and studies write it
    scores = strategy.method(network, image, target, **strategy.chosen)

The references are the original network, all neurons, and its active subnet, all neurons that are not dead for the
image. The form of older links, ``NeuronIntGrad!n_steps=30!as_released=1``, is still read.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import PathwayError
from core.methods import METHODS, Method

__all__ = ["ACTIVE", "ORIGINAL", "STRATEGIES", "Strategy", "written"]

ORIGINAL, ACTIVE = "Original", "ActiveSubnet"
_REFERENCES = {
    ORIGINAL: ("Original network", "All neurons: nothing is selected."),
    ACTIVE: ("Active subnet", "Every neuron that is not dead for this image."),
}
STRATEGIES = (*METHODS, *_REFERENCES)
"""The names of all strategies, in the order in which they are shown."""


@dataclass(frozen=True)
class Strategy:
    """A selection method with its options, or a reference.

    Attributes:
        name: one of ``STRATEGIES``.
        options: those that differ from the method's defaults, in the order of their names.

    Raises:
        PathwayError: there is no such strategy, or an option does not fit it.
    """

    name: str
    options: tuple[tuple[str, int], ...] = ()

    def __post_init__(self) -> None:
        given = dict(self.options)
        if self.name not in STRATEGIES:
            raise PathwayError(f"There is no strategy {self.name!r}; wanted one of {', '.join(STRATEGIES)}.")
        if self.name in _REFERENCES and given:
            raise PathwayError(f"{self.name} has no options; got {', '.join(given)}.")
        method = METHODS.get(self.name)
        defaults, chosen = (method.checked(), method.checked(**given)) if method else ({}, {})
        changed = sorted((option, value) for option, value in chosen.items() if value != defaults[option])
        object.__setattr__(self, "options", tuple(changed))

    @classmethod
    def of(cls, name: str, /, **options: int) -> Strategy:
        """Return a strategy with some options chosen.

        Raises:
            PathwayError: there is no such strategy, or an option does not fit it.
        """
        return cls(name, tuple(options.items()))

    @classmethod
    def parse(cls, text: str) -> Strategy:
        """Return the strategy written as ``NAME`` or ``NAME:option=1,other=2``; ``str`` is the inverse.

        Raises:
            PathwayError: as ``of``, or an option is not a plain number, or is named twice.
        """
        name, *options = text.split("!") if "!" in text else _parts(text)
        pairs = [option.partition("=")[::2] for option in options]
        for option, value in pairs:
            if not (option and value.isascii() and value.isdigit() and len(value) < 19):
                raise PathwayError(f"Got {option}={value[:20]} for {name}, wanted option=number.")
        if len(dict(pairs)) < len(pairs):
            raise PathwayError(f"Got an option twice in {text[:200]!r}, wanted each option once.")
        return cls(name, tuple((option, int(value)) for option, value in pairs))

    def __str__(self) -> str:
        return written(self.name, self.written)

    @property
    def written(self) -> str:
        """Return the options that differ from the defaults as text; "" if none does."""
        return ",".join(f"{option}={value}" for option, value in self.options)

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
        """Return the name as shown, with the options that are not defaults."""
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


def written(name: str, options: str) -> str:
    """Return a strategy's text, which ``Strategy.parse`` reads, from its name and its options as results have them."""
    return f"{name}:{options}" if options else name


def _parts(text: str) -> list[str]:
    name, colon, rest = text.partition(":")
    return [name, *(part.strip() for part in rest.split(",") if colon)]
