"""Images and where they come from: files of any kind, photos that are embedded, data sets."""

from __future__ import annotations

__all__: list[str] = []
