"""What a pathway is: neurons ranked by their scores, a network restricted to the first of them, and what that keeps."""

from __future__ import annotations

__all__: list[str] = []
