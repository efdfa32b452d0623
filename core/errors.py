"""The errors that a caller may catch.

PathwayError              anything a person can fix: what was got, what was wanted, what to do
├── ImageError            a file that is not a usable picture
├── SeveralWeights        a checkpoint holds several sets of weights that fit; says which
├── WeightsMissing        published weights are not on this machine; says where they belong
└── Cancelled             a progress callback asked the work to stop
"""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Cancelled", "ImageError", "PathwayError", "SeveralWeights", "WeightsMissing", "printable"]


class PathwayError(Exception):
    """An error that a person can fix; the message says what was got, what was wanted and what to do."""


class ImageError(PathwayError):
    """The bytes are not a usable picture."""


class SeveralWeights(PathwayError):
    """A checkpoint holds several sets of weights that fit, and none of them was chosen.

    Attributes:
        label: what to call the file.
        candidates: words about each set, by its name, which is what ``load_checkpoint(weights=...)`` takes.
    """

    def __init__(self, label: str, candidates: Mapping[str, str]) -> None:
        listed = [f"{name[:60] or 'the outermost'} ({words})" for name, words in list(candidates.items())[:4]]
        more = f" and {len(candidates) - 4} more" if len(candidates) > 4 else ""
        super().__init__(
            f"{label} holds {len(candidates)} sets of weights that fit: {'; '.join(listed)}{more}. Choose one of them."
        )
        self.label, self.candidates = label, dict(candidates)

    def __reduce__(self) -> tuple[type, tuple[str, dict[str, str]]]:
        return type(self), (self.label, self.candidates)


class WeightsMissing(PathwayError):
    """Published weights are not on this machine.

    Attributes:
        name: the network's name.
        url: of the file at its publisher.
        path: where the file belongs on this machine.
        megabytes: its published size, 0 if not known.
    """

    def __init__(self, name: str, url: str, path: str, megabytes: float) -> None:
        super().__init__(
            f"The weights of {name} are not on this machine. Download {url} ({megabytes:.0f} MB) "
            f"and put it at {path}, or choose a network that is embedded."
        )
        self.name, self.url, self.path, self.megabytes = name, url, path, megabytes

    def __reduce__(self) -> tuple[type, tuple[str, str, str, float]]:
        return type(self), (self.name, self.url, self.path, self.megabytes)


class Cancelled(PathwayError):
    """A progress callback raised this to stop the work between two steps.

    Attributes:
        best: the best result so far, where the work has one; None elsewhere.
    """

    best: object | None = None


def printable(text: str) -> str:
    """Return untrusted text for a message or a label: one line, with characters that cannot be printed as "�"."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)
