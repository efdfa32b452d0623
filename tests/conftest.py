"""One thread for each tensor operation: toys gain nothing from more, and cores are often shared."""

from __future__ import annotations

import torch

torch.set_num_threads(1)
