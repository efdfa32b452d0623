"""Networks by name, and their weights: embedded, published, or from a user's checkpoint."""

from __future__ import annotations

__all__: list[str] = []
