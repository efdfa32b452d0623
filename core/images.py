"""Names that snippets in saved reports import from here; they live in ``core.data.images``."""

from __future__ import annotations

from core.data.images import downscale, image_hash

__all__ = ["downscale", "image_hash"]
