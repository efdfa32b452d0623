"""How many pages are drawn at once.

Python runs one thread at a time, so thirty pages that are drawn at once are all ready when the last of them would have
been; and they hold each other up at every lock on the way. In turns each has the machine nearly to itself.
"""

from __future__ import annotations

from threading import BoundedSemaphore

__all__ = ["TURNS"]

TURNS = BoundedSemaphore(2)
"""Whoever draws a page has one; more than one, as a page may wait for what another thread computes."""
