"""Other attribution methods, to compare pathway gradients with: a value for every input value of one image.

    attribution = BASELINES["InputIntGrad"](network, image, target)      # attribution.values, (C, H, W)

Each is a function of network, image and target; it leaves the network unchanged and may run in several threads.
``BASELINES`` lists them in the order in which they are shown; Captum and scikit-image are imported on first use.
"""

from __future__ import annotations

from core.attribution.base import Baseline
from core.attribution.gradients import (
    N_SAMPLES,
    N_STEPS,
    grad_cam,
    gradient,
    gradient_shap,
    input_intgrad,
    input_mct,
    smooth_grad,
)
from core.attribution.hooked import deep_lift, guided_backpropagation
from core.attribution.lrp import lrp
from core.attribution.perturbations import MASKS, kernel_shap, lime, occlusion, positions

__all__ = ["BASELINES", "Baseline"]

_FORWARD = 0.5  # cost of a forward pass, as a share of a forward and backward pass

BASELINES: dict[str, Baseline] = {
    baseline.name: baseline
    for baseline in (
        Baseline(
            "Gradient",
            "How the response moves when an input value moves a little.",
            gradient,
            passes=lambda _: 1,
        ),
        Baseline(
            "InputMCT",
            "How much each input value contributes: the value times the response's gradient to it.",
            input_mct,
            passes=lambda _: 1,
        ),
        Baseline(
            "InputIntGrad",
            "The same, averaged while the whole image is turned up from its mean; contributions sum to the response.",
            input_intgrad,
            passes=lambda _: N_STEPS,
        ),
        Baseline(
            "Guided Backpropagation",
            "The gradient, cut to what is positive at each ReLU on its way back; sharp, and hardly moved by the class.",
            guided_backpropagation,
            passes=lambda _: 1,
        ),
        Baseline(
            "Grad-CAM",
            "Where the last feature map speaks for the class: coarse, and only evidence in favour.",
            grad_cam,
            passes=lambda _: 1,
            needs_pixels=True,
            options=("site",),
        ),
        Baseline(
            "SmoothGrad",
            "The gradient, averaged over noisy copies of the image.",
            smooth_grad,
            passes=lambda _: N_SAMPLES,
            seeded=True,
        ),
        Baseline(
            "Occlusion",
            "What the response loses when a window of the image is greyed out.",
            occlusion,
            passes=lambda network: _FORWARD * (1 + positions(network)),
            needs_pixels=True,
        ),
        Baseline(
            "DeepLIFT",
            "How far each input value moved the response from that of the mean image, carried layer by layer.",
            deep_lift,
            passes=lambda _: 3,
        ),
        Baseline(
            "GradientSHAP",
            "Gradients at random points between the mean image and noisy copies of this one.",
            gradient_shap,
            passes=lambda _: N_SAMPLES,
            seeded=True,
            more=True,
        ),
        Baseline(
            "KernelSHAP",
            "Shapley values: the response shared out fairly among about 50 patches of the image.",
            kernel_shap,
            passes=lambda _: _FORWARD * MASKS,
            seeded=True,
            more=True,
            needs_pixels=True,
        ),
        Baseline(
            "LIME",
            "A linear model of the response over about 50 patches, fitted where most of the image is left.",
            lime,
            passes=lambda _: _FORWARD * MASKS,
            seeded=True,
            more=True,
            needs_pixels=True,
        ),
        Baseline(
            "LRP",
            "The logit handed down as relevance, layer by layer, to the image; in networks where none is lost.",
            lrp,
            passes=lambda _: 3,
            more=True,
            needs_pixels=True,
        ),
    )
}
