"""What a caller may catch.

PathwayError              anything a person can mend: what was got, what was wanted, how to fix it
├── ImageError            a file that is not a usable picture
├── WeightsMissing        published weights are not on this machine; says where they belong
└── Cancelled             a progress callback asked the work to stop
"""

from __future__ import annotations

__all__ = ["Cancelled", "ImageError", "PathwayError", "WeightsMissing", "printable"]


class PathwayError(Exception):
    """Something a person can mend; the message says what was got, what was wanted and how to fix it."""


class ImageError(PathwayError):
    """The bytes given are not a picture that can be used."""


class WeightsMissing(PathwayError):
    """Published weights are not on this machine.

    Attributes:
        name: the network's name.
        url: where its publisher keeps the file.
        path: where the file belongs on this machine.
        megabytes: its size as published, 0 when that is not known.
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
    """Return somebody's words for a message or a label: one line, what has no shape or turns the line as "�"."""
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)
