"""The photos that come with the package."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from core.data.images import open_image
from core.errors import ImageError, PathwayError

__all__ = ["FOLDER", "SampleImage", "sample_images"]

FOLDER = Path(__file__).resolve().parents[2] / "assets" / "images"


@dataclass(frozen=True)
class SampleImage:
    """A photo that comes with the package.

    Attributes:
        name: used in code and links.
        title: shown to people.
        author: who took it.
        licence: under which it may be passed on.
        source: where it comes from.
        alt: description for those who cannot see it.
        file: its name in the folder of photos.
        sha256: of that file.
    """

    name: str
    title: str
    author: str
    licence: str
    source: str
    alt: str
    file: str
    sha256: str = ""

    @property
    def credit(self) -> str:
        """Return title, author and licence in one line."""
        return f"{self.title}, {self.author}." + (f" {self.licence}." if self.licence else "")

    def open(self) -> Image.Image:
        """Return the photo, RGB.

        Raises:
            ImageError: its file is missing or was changed.
        """
        path, fix = FOLDER / self.file, "Restore it: python assets/build.py"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise ImageError(f"The photo {path} cannot be read ({error}). {fix}") from error
        digest = hashlib.sha256(data).hexdigest()
        if digest != self.sha256:
            raise ImageError(f"The photo {path} was changed: SHA-256 {digest}, wanted {self.sha256}. {fix}")
        return open_image(data)


@cache
def sample_images() -> dict[str, SampleImage]:
    """Return the photos that come with the package, by name.

    Raises:
        PathwayError: the list of photos is missing or damaged.
    """
    listing = FOLDER / "sources.json"
    try:
        entries = json.loads(listing.read_text(encoding="utf-8"))
        return {entry["name"]: SampleImage(**entry) for entry in entries}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise PathwayError(f"{listing} cannot be read ({error}). Restore it from the package.") from error
