"""Attributions that need only gradients of the response; the network runs unchanged, and no module is called.

    Gradient            dF/dx
    InputMCT            x · dF/dx
    InputIntGrad        x · mean_k dF(α_k x)/dx         α_k the midpoints of 50 equal steps
    SmoothGrad          mean_k dF(x + ε_k)/dx           ε_k ~ N(0, σ²), σ = 15 % of the image's range, 50 of them
    GradientSHAP        mean_k y_k · dF(α_k y_k)/dx     y_k = x + ε_k, α_k ~ U(0, 1), σ = 1 %, 50 of them
    Grad-CAM            relu(Σ_c A_c · mean_position dF/dA_c), upsampled to the image; A a map of features

InputIntGrad is Captum's. Captum draws SmoothGrad's and GradientSHAP's samples from the generators of torch and NumPy
that all threads share, so these two are written out here, and each run has a generator of its own. Captum's Grad-CAM
hooks a module, but the feature map need not be the output of one.

References:
    [Simonyan14] Simonyan, Vedaldi, Zisserman, Deep Inside Convolutional Networks, ICLR workshop 2014.
    [Shrikumar17] Shrikumar, Greenside, Kundaje, Learning Important Features Through Propagating Activation
        Differences, ICML 2017.
    [Sundararajan17] Sundararajan, Taly, Yan, Axiomatic Attribution for Deep Networks, ICML 2017.
    [Smilkov17] Smilkov et al., SmoothGrad: removing noise by adding noise, 2017.
    [Lundberg17] Lundberg, Lee, A Unified Approach to Interpreting Model Predictions, NeurIPS 2017.
    [Selvaraju17] Selvaraju et al., Grad-CAM, ICCV 2017.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node
from torch.nn import functional as F

from core.attribution.attribution import Attribution
from core.attribution.base import Response, batch_size, completeness, gradients
from core.attribution.feature_map import feature_map
from core.network import Network
from core.network.program import Values, walk
from core.pathways.restriction import pathway_gradient
from core.progress import Progress, silent

__all__ = ["N_SAMPLES", "N_STEPS", "grad_cam", "gradient", "gradient_shap", "input_intgrad", "input_mct", "smooth_grad"]

N_STEPS = 50
N_SAMPLES = 50
SMOOTH_NOISE, SHAP_NOISE = 0.15, 0.01  # σ over the image's range


def gradient(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return dF/dx, (1, *input_shape) -> (*input_shape). [Simonyan14]"""
    values = pathway_gradient(network, image, target)
    progress(1, 1, "gradient")
    return Attribution(values, is_gradient=True)


def input_mct(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return x · dF/dx, the first-order marginal contribution of every input value.

    (1, *input_shape) -> (*input_shape), in logits. Also known as gradient x input. [Shrikumar17]
    """
    values = image[0] * pathway_gradient(network, image, target)
    progress(1, 1, "gradient")
    return Attribution(values, is_gradient=False)


def input_intgrad(network: Network, image: Tensor, target: int, *, progress: Progress = silent) -> Attribution:
    """Return integrated gradients from the baseline 0 at 50 midpoints. [Sundararajan17]

    (1, *input_shape) -> (*input_shape), in logits; 50 passes. ``delta`` is the error of the integral: contributions sum
    to F(x) - F(0) as steps grow.
    """
    from captum.attr import IntegratedGradients

    response = Response(network, target, progress, N_STEPS, "steps from the mean image")
    (values,) = IntegratedGradients(response).attribute(
        image,
        baselines=torch.zeros_like(image),
        n_steps=N_STEPS,
        method="riemann_middle",
        internal_batch_size=batch_size(network),
    )
    values = values.to(image.dtype)
    return Attribution(values, is_gradient=False, delta=completeness(network, image, target, values)[0])


def smooth_grad(
    network: Network, image: Tensor, target: int, *, seed: int = 0, progress: Progress = silent
) -> Attribution:
    """Return the gradient's mean over 50 noisy copies of the image, σ 15 % of its range. [Smilkov17]

    (1, *input_shape) -> (*input_shape); 50 passes.
    """
    response = Response(network, target, progress, N_SAMPLES, "noisy images")
    total = torch.zeros_like(image[0])
    for noisy, _ in _samples(network, image, SMOOTH_NOISE, seed):
        total += gradients(response, noisy).sum(0)
    return Attribution(total / N_SAMPLES, is_gradient=True)


def gradient_shap(
    network: Network, image: Tensor, target: int, *, seed: int = 0, progress: Progress = silent
) -> Attribution:
    """Return expected gradients: noisy copies of the image, each scaled by a random number in [0, 1]. [Lundberg17]

    (1, *input_shape) -> (*input_shape), in logits; 50 passes. Its only baseline is 0; σ is 1 % of the image's range.
    ``delta`` is the error of sampling and noise.
    """
    response = Response(network, target, progress, N_SAMPLES, "random steps from the mean image")
    total = torch.zeros_like(image[0])
    for noisy, shares in _samples(network, image, SHAP_NOISE, seed):
        scaled = noisy * shares.view(-1, *[1] * (image.ndim - 1))
        total += (noisy * gradients(response, scaled)).sum(0)
    values = total / N_SAMPLES
    return Attribution(values, is_gradient=False, delta=completeness(network, image, target, values)[0])


def _samples(network: Network, image: Tensor, noise: float, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield batches of noisy copies, (B, *input_shape), each with B numbers in [0, 1]; the same for any batch size."""
    generator = torch.Generator().manual_seed(seed)
    sigma = noise * (image.max() - image.min())
    shares = torch.rand(N_SAMPLES, generator=generator)
    for chunk in torch.split(shares, batch_size(network)):
        normal = torch.stack([torch.randn(network.input_shape, generator=generator) for _ in chunk])
        yield image + sigma * normal.to(image), chunk.to(image)


def grad_cam(
    network: Network,
    image: Tensor,
    target: int,
    *,
    site: int | None = None,
    progress: Progress = silent,
) -> Attribution:
    """Return Grad-CAM: a map's channels weighted by their mean gradients and summed, (1, H, W), >= 0. [Selvaraju17]

    Negative values become 0; then the map is upsampled to the image, bilinearly.

    Args:
        site: index of a site with a map of positions; default the network's last feature map, see ``feature_map``.

    Raises:
        PathwayError: there is no such site or map, or it is a vector.
    """
    where, seen = feature_map(network, site), []

    def rule(node: Node, values: Values) -> Any:
        value = network.program.call(node, values)
        if node is not where.node:
            return value
        seen.append(value.detach().requires_grad_())
        return seen[0]

    with torch.enable_grad():
        *_, (_, logits) = walk(network.program, network.check_image(image, one=True), rule)
        (slope,) = torch.autograd.grad(logits[0, target], seen[0])
    weights = slope.mean((2, 3), keepdim=True)  # (1, C, 1, 1)
    cam = (weights * seen[0].detach()).sum(1, keepdim=True).relu()  # (1, 1, h, w)
    values = F.interpolate(cam, image.shape[2:], mode="bilinear", align_corners=False)[0]
    progress(1, 1, f"gradient at {where.name}")
    return Attribution(values, is_gradient=False)
