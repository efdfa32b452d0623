"""Attention whose gradients can be differentiated again.

The fused kernels behind ``scaled_dot_product_attention`` have a backward pass, and no backward pass of that. Inside the
mode here, attention is computed from products and a softmax, as its definition says; only the thread that enters the
mode is affected.
"""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

__all__ = ["PlainAttention"]


class PlainAttention(TorchFunctionMode):
    """While it is entered, attention is computed without fused kernels; equal up to rounding."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention:
            return torch._scaled_dot_product_attention_math(*args, **kwargs)[0]
        if func is F.multi_head_attention_forward:  # which asks for a fused kernel unless it is to return weights
            output, weights = func(*args, **{**kwargs, "need_weights": True})
            return output, weights if kwargs.get("need_weights", True) else None
        return func(*args, **kwargs)
