"""Pathways: neurons ranked by their scores, a network restricted to the first of them, and the effect on the answer."""

from __future__ import annotations

__all__: list[str] = []
