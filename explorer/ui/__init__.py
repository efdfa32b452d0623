"""The elements of the app's pages that Streamlit does not have, and the session: ``ui.facts`` beside ``st.table``.

Views write ``from explorer import ui``. The modules ``ui.session``, ``ui.controls`` and the like keep their names, as
what they hold needs them to be understood; everything else is a name of this package.
"""

from __future__ import annotations

from explorer.ui import components, controls, session, strategy_controls, uploads
from explorer.ui.captions import (
    answer_facts,
    held,
    likeliest,
    logits,
    making,
    not_covered,
    runs_out,
    scale,
    scene_facts,
)
from explorer.ui.charts import CALM, in_rows, show_chart, show_mosaic, show_site_chart
from explorer.ui.downloads import offer, offer_csv, offer_npz, offer_picture, offer_png, offer_table
from explorer.ui.fields import field, settle, several
from explorer.ui.markup import (
    answers,
    brand,
    colour_bar,
    facts,
    image,
    legend,
    made_from,
    panel_title,
    runs_out_mark,
    templates,
)
from explorer.ui.navigation import link, open_neuron, open_picture
from explorer.ui.page import PageContext, SceneContext, find_page, find_scene
from explorer.ui.progress import confirm, offer_start, show_progress, show_progress_at, start_again, submit, submit_at
from explorer.ui.render_slots import TURNS

__all__ = [
    "CALM",
    "TURNS",
    "PageContext",
    "SceneContext",
    "answer_facts",
    "answers",
    "brand",
    "colour_bar",
    "components",
    "confirm",
    "controls",
    "facts",
    "field",
    "find_page",
    "find_scene",
    "held",
    "image",
    "in_rows",
    "legend",
    "likeliest",
    "link",
    "logits",
    "made_from",
    "making",
    "not_covered",
    "offer",
    "offer_csv",
    "offer_npz",
    "offer_picture",
    "offer_png",
    "offer_start",
    "offer_table",
    "open_neuron",
    "open_picture",
    "panel_title",
    "runs_out",
    "runs_out_mark",
    "scale",
    "scene_facts",
    "session",
    "settle",
    "several",
    "show_chart",
    "show_mosaic",
    "show_progress",
    "show_progress_at",
    "show_site_chart",
    "start_again",
    "strategy_controls",
    "submit",
    "submit_at",
    "templates",
    "uploads",
]
