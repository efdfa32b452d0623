"""Links that users may have saved, and the views they open: ``python -m tests.saved_links`` adds missing ones.

``saved_links.json`` has each link as it was first written, and the values of its view that then differed from the
default. Neither is ever rewritten: a link that opens another view has been broken.
"""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from core.methods import METHODS
from core.strategy import Strategy
from explorer.state.knockout import Part
from explorer.state.lessons import lessons
from explorer.state.view import View
from explorer.views.compare.presets import PRESETS

SAVED = Path(__file__).with_suffix(".json")
ONE_EACH = {  # per field, a text that is not its default
    "network": "efficientnet_lite0",
    "image": "fashion-mnist:123",
    "x": "0.25",
    "y": "0.75",
    "zoom": "2.0",
    "target": "7",
    "first": "GreedyPruning",
    "second": "DGR(init=1)",
    "columns": "Original~DGR(init=r)!per_channel=1!seed=3~Random~ActiveSubnet",
    "pair": "2-1",
    "sparsity": "0.95",
    "scrub": "True",
    "off": "frozen",
    "scale": "shared",
    "style": "signed",
    "opacity": "40",
    "site": "3",
    "only_site": "True",
    "neuron": "3-70",
    "whole": "True",
    "attributions": "Grad-CAM~Random~DeepLIFT",
    "cam_site": "7",
    "order": "morf",
    "replacement": "blur",
    "near": "False",
    "cascade": "False",
    "box": "10-20-100-70",
    "parts": "9c4~3n70",
    "only": "True",
    "ray": "coffee",
    "ray_of": "2",
    "painted": "Random~Original",
    "painted_at": "0.9",
    "start": "grey",
    "regularisers": "",
    "paint_steps": "7",
    "paint_seed": "3",
    "runs": "photos-squeezenet1_1~fashion-mnist",
    "studied_at": "0.995",
    "label": "T-shirt/top",
    "closer": "NeuronIntGrad (n_steps=5)",
    "spread": "dead_share",
    "compared": "lerf_area",
    "lesson": "pathway",
    "step": "2",
    "present": "True",
}


def links() -> dict[str, dict[str, str]]:
    """Return the parameters of every link to keep, by its kind: defaults, fields, options, lessons, presets."""
    found: dict[str, dict[str, str]] = {"the default of every page": {}}
    found |= {f"a link with {name}": {name: text} for name, text in ONE_EACH.items()}
    found["a link with everything"] = dict(ONE_EACH)
    for method in METHODS.values():
        for option in method.options:
            for value in {option.low, option.high} - {option.default}:
                found[f"{method.name}.{option.name} at {value}"] = {f"{method.name}.{option.name}": str(value)}
    for lesson in lessons().values():
        for place, step in enumerate(lesson.steps, 1):
            found[f"lesson {lesson.name}, step {place}: /{step.page}"] = dict(step.params)
    found |= {f"preset: {preset.question}": preset.ask(View()).params() for preset in PRESETS}
    return found


def shown(view: View) -> dict[str, Any]:
    """Return all values of a view, flat, as data for JSON."""
    return {field.name: _plain(getattr(view, field.name)) for field in fields(view)}


def _plain(value: object) -> Any:
    if isinstance(value, Strategy):
        return {"name": value.name, **dict(value.options)}
    if isinstance(value, Part):
        return {"site": value.site, "place": value.place, "whole": value.whole}
    return [_plain(each) for each in value] if isinstance(value, tuple) else value


def main() -> None:
    """Add the links that are not saved yet."""
    saved = json.loads(SAVED.read_text("utf-8")) if SAVED.exists() else {}
    default = shown(View())
    for name, params in links().items():
        if name not in saved:
            view, _ = View.from_params(params)
            differs = {field: value for field, value in shown(view).items() if value != default[field]}
            saved[name] = {"link": urlencode(params), "differs": differs}
    saved.setdefault("default", default)
    SAVED.write_text(json.dumps(saved, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
