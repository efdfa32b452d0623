"""Images and where they come from: files, embedded photos, data sets."""

from __future__ import annotations

__all__: list[str] = []
