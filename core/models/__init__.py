"""Networks by name, and their weights: embedded, published, or in a person's checkpoint."""

from __future__ import annotations

__all__: list[str] = []
