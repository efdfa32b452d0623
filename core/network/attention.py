"""Attention whose gradients can be differentiated again.

The fused kernels behind ``scaled_dot_product_attention`` have a backward pass that cannot be differentiated. Inside the
mode here, attention is computed from products and a softmax, by its definition; only the thread that enters the mode is
affected.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["PlainAttention"]


class PlainAttention(TorchFunctionMode):
    """A mode in which attention is computed without fused kernels, equal up to rounding."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return torch._scaled_dot_product_attention_math(*args, **kwargs)[0]
        if func is F.multi_head_attention_forward:  # it uses a fused kernel unless it returns weights
            output, weights = func(*args, **{**kwargs, "need_weights": True})
            return output, weights if kwargs.get("need_weights", True) else None
        return func(*args, **kwargs)
