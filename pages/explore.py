"""Explore: one photo, one network, one pathway beside another."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pandas as pd
import streamlit as st
from PIL import Image

from core.errors import PathwayError
from core.methods import METHODS
from explorer import compute, export, figures, markup, session, widgets
from explorer.compute import Answer, NeuronRow, Scene, Scored
from explorer.words import duration, method_name, number, percent, position_name, ratio

TOP_NEURONS = 200
DARK = st.context.theme.type == "dark"


@dataclass(frozen=True)
class Column:
    """A method with its answer; neither while it is still in line."""

    method: str
    scored: Scored | None = None
    answer: Answer | None = None

    @property
    def family(self) -> str:
        return METHODS[self.method].family

    @property
    def colour(self) -> str:
        return figures.FAMILY_COLOURS[self.family]


def main() -> None:
    with st.sidebar:
        widgets.network()
    network = widgets.find_network()
    if network is None:
        return
    photo = session.pictures()[session.view().image]()
    with st.sidebar:
        widgets.photo()
        widgets.crop(network, photo)
    scene = find_scene(photo)
    if scene is None:
        return
    with st.sidebar:
        widgets.target(scene)
        with st.expander("Options of the methods"):
            widgets.option_controls()
        left, right = st.columns(2)
        with left:
            widgets.reset()
        with right:
            widgets.copy_link()
    st.markdown(f"## Which neurons carry *{scene.network.class_names[scene.target]}*?")
    widgets.methods()
    controls = st.container()
    columns = [find_column(scene, method) for method in (session.view().first, session.view().second)]
    with controls:
        show_sparsity(columns)
    with st.expander("How it is shown", expanded=False):
        left, right = st.columns([1, 2.6])
        with left:
            widgets.restriction()
        with right:
            widgets.maps()
    show_panels(scene, columns)
    ready = [column for column in columns if column.scored]
    show_layers(scene, ready)
    show_neurons(scene, ready)


def find_scene(photo: Image.Image) -> Scene | None:
    view = session.view()
    network = session.network(view.network)
    try:
        return compute.scene(network, photo, view.crop, view.target)
    except PathwayError as problem:
        st.error(str(problem))
        st.button("Explain the predicted class", on_click=lambda: session.change(lambda v: replace(v, target=None)))
        return None


def find_column(scene: Scene, method: str) -> Column:
    """The method's answer if it is there or quick to make; else it is in line, or was cancelled."""
    view = session.view()
    options = view.chosen_options(method)
    key = compute.scores_key(scene, method, options)
    if key in st.session_state.setdefault("cancelled", set()) and compute.RESULTS.peek(key) is None:
        return Column(method)
    status = compute.ask_scores(scene, method, options, session.waiter())
    if status.state != "done":
        return Column(method)
    return Column(method, status.result, compute.answer(scene, status.result, view.sparsity, view.off))


def show_sparsity(columns: list[Column]) -> None:
    widgets.sparsity()
    first = columns[0].scored
    least = first.ranking.least_sparsity if first else 0.0
    if least > 0.005:
        stops = [stop for stop in widgets.SPARSITIES if stop < least]
        share = len(stops) / (len(widgets.SPARSITIES) - 1)
        text = f"{first.method} begins to act at {percent(least)}: so many of its neurons score 0" if first else ""
        st.html(markup.inert_zone(share, text))


# --- panels -------------------------------------------------------------------------------------------------------------


def show_panels(scene: Scene, columns: list[Column]) -> None:
    view = session.view()
    maps = {c.method: compute.saliency(c.answer.restricted) for c in columns if c.answer}
    plain = compute.saliency(scene.original)
    shared = figures.limit(*maps.values())
    with st.container(key="panels"):
        panels = st.columns(4)
        with panels[0]:
            show_photo(scene)
        with panels[1]:
            end = figures.limit(plain)
            show_map(scene, "Plain gradient", "the original network, all neurons", plain, end, "own scale")
            show_answer(scene, scene.original.logits.softmax(1)[0].tolist())
            st.html(markup.made_from({"gradient in": duration(scene.seconds)}))
            offer_map(scene, "gradient", plain, end, export.provenance(scene, view))
        for panel, column in zip(panels[2:], columns, strict=True):
            with panel:
                if column.scored and column.answer:
                    values = maps[column.method]
                    end = shared if view.scale == "shared" else figures.limit(values)
                    show_pathway(scene, column, column.scored, column.answer, values, end)
                else:
                    show_waiting(scene, column)
    if all(column.scored for column in columns):
        show_comparison(scene, columns)


def show_photo(scene: Scene) -> None:
    view = session.view()
    st.html(markup.panel_title("Photo", "the square the network sees"))
    st.image(figures.jpeg(scene.picture, 92), width="stretch", alt=f"The photo as {scene.network.name} sees it.")
    sample = compute.sample_facts(view.image)
    if sample:
        st.html(markup.made_from({"": f"{sample.title}, {sample.author}. {sample.licence}."}))
    st.html(
        markup.facts(
            {
                "Network": scene.network.name,
                "Sites": number(len(scene.network.sites)),
                "Neurons": number(scene.network.neurons),
                "Dead for this photo": percent(scene.dead_share),
                "Device": str(scene.network.device),
            }
        )
        + markup.made_from({"weights": scene.network.weights_hash or "unnamed", "image": scene.key[3]})
    )


def show_map(
    scene: Scene, title: str, detail: str, values: figures.Floats, end: float, scale: str, colour: str = ""
) -> None:
    view = session.view()
    st.html(markup.panel_title(title, detail, colour))
    picture = figures.over_photo(scene.picture, figures.map_picture(values, end, view.style), view.opacity)
    strongest = divmod(int(abs(values).argmax()), values.shape[1])
    alt = (
        f"{title}, {view.style}: strongest at row {strongest[0]}, column {strongest[1]} of {values.shape[0]}; "
        f"scale ends at {number(end)}."
    )
    st.image(figures.jpeg(picture), width="stretch", alt=alt)
    low = "0" if view.style == "magnitude" else number(-end)
    st.html(markup.colour_bar(low, f"{number(end)} · {scale}", figures.colours(view.style)))


def show_answer(scene: Scene, probabilities: list[float]) -> None:
    best = sorted(range(len(probabilities)), key=lambda i: -probabilities[i])[:5]
    names = scene.network.class_names
    st.html(markup.answers([(names[i], probabilities[i], i == scene.target) for i in best]))


def show_pathway(
    scene: Scene, column: Column, scored: Scored, answer: Answer, values: figures.Floats, end: float
) -> None:
    view = session.view()
    name = method_name(column.method, scored.options)
    scale = "shared scale" if view.scale == "shared" else "own scale"
    show_map(scene, name, f"pathway gradient, {column.family}", values, end, scale, column.colour)
    st.html(
        markup.facts(
            {
                "Sparsity achieved": percent(answer.sparsity, 2),
                "p ratio": ratio(answer.p_ratio),
                "Prediction": "kept" if answer.prediction_kept else "not kept",
                "Dead share": percent(answer.dead_share),
            }
        )
    )
    show_answer(scene, answer.restricted.logits.softmax(1)[0].tolist())
    parts = {
        "off": view.off,
        "ties": number(answer.ties),
        "scores in": duration(scored.seconds),
        "gradient in": duration(answer.seconds),
    }
    st.html(markup.made_from(parts))
    offer_map(scene, name, values, end, export.provenance(scene, view, scored, answer))


def offer_map(scene: Scene, name: str, values: figures.Floats, end: float, made_from: dict[str, object]) -> None:
    view = session.view()
    stem = export.file_name(view.image, scene.network.name, name)

    def picture() -> bytes:
        return figures.png(figures.map_picture(values, end, view.style), made_from | {"scale_end": end})

    with st.container(horizontal=True, gap="small"):
        offer("PNG", f"{stem}.png", "image/png", picture, f"png_{name}")
        offer(
            "NPZ",
            f"{stem}.npz",
            "application/octet-stream",
            lambda: export.npz_file({"map": values}, made_from),
            f"npz_{name}",
        )


def offer(label: str, name: str, mime: str, make: Callable[[], bytes], key: str) -> None:
    st.download_button(
        label, make, name, mime, key=f"offer_{key}", on_click="ignore", type="tertiary", icon=":material/download:"
    )


def show_waiting(scene: Scene, column: Column) -> None:
    options = session.view().chosen_options(column.method)
    key = compute.scores_key(scene, column.method, options)
    cancelled = st.session_state["cancelled"]
    st.html(markup.panel_title(method_name(column.method, options), METHODS[column.method].summary, column.colour))
    if key in cancelled:
        st.info("Cancelled.")
        st.button("Start it", key=f"start_{column.method}", on_click=lambda: cancelled.discard(key))
        return
    st.skeleton(height=210)
    ask = lambda: compute.ask_scores(scene, column.method, options, session.waiter())  # noqa: E731
    widgets.waiting(key, ask, on_cancel=lambda: cancelled.add(key))


def show_comparison(scene: Scene, columns: list[Column]) -> None:
    first, second = (column.scored for column in columns)
    if first and second:
        found = compute.compare(scene, first, second, session.view().sparsity)
        st.markdown(
            f"The two pathways overlap by **{percent(found.overlap)}** (intersection over union); two independent ones "
            f"of their sizes would by {percent(found.chance)}."
        )


# --- layers -------------------------------------------------------------------------------------------------------------


def show_layers(scene: Scene, columns: list[Column]) -> None:
    st.markdown("## Where the pathway runs")
    if not columns:
        return
    sites = scene.network.sites
    at = min(session.view().site, len(sites) - 1)
    shares = {
        c.method: [size / site.neurons for size, site in zip(c.answer.sizes, sites, strict=True)]
        for c in columns
        if c.answer
    }
    strip = figures.layer_strip(shares, [c.colour for c in columns], [site.name for site in sites], at)

    def clicked() -> None:
        points = st.session_state["strip"].selection.points
        if points:
            site = int(points[0]["x"])
            session.change(lambda v: replace(v, site=site))

    most = {method: max(range(len(values)), key=values.__getitem__) for method, values in shares.items()}
    alt = "Share of neurons kept at each site. " + " ".join(
        f"{method} keeps most at {sites[i].name}, {percent(shares[method][i])}." for method, i in most.items()
    )
    st.plotly_chart(
        strip, key="strip", on_select=clicked, selection_mode="points", config={"displayModeBar": False}, alt=alt
    )
    widgets.site(scene.network)
    with st.container(key="pair"):
        for place, column in zip(st.columns(2), columns, strict=False):
            with place:
                show_mask(scene, column, at)


def show_mask(scene: Scene, column: Column, at: int) -> None:
    if column.scored is None:
        return
    site = scene.network.sites[at]
    planes = compute.site_planes(scene, column.scored, session.view().sparsity, at)
    kept, dead = int(planes.mask.sum()), int((planes.mask & planes.dead).sum())
    channels, height, width = site.planes
    busiest = planes.mask.sum((1, 2)).argsort()[::-1][:3]
    st.html(
        markup.panel_title(
            method_name(column.method, column.scored.options),
            f"{number(kept)} of {number(site.neurons)} neurons kept ({percent(kept / site.neurons)}), {number(dead)} of them dead",
            column.colour,
        )
    )
    st.html(
        markup.legend(
            {
                "on the pathway": column.colour,
                "on it but dead": figures.DEAD_COLOUR,
                "active, not on it": figures.quiet(DARK),
            }
        )
    )
    words = f"{number(kept)} of {number(site.neurons)} neurons of {site.name} are on the pathway, {number(dead)} of them dead."
    if height * width > 1:
        left, right = st.columns([1, 2])
        counts = planes.mask.sum(0)
        with left:
            picture = figures.position_map(planes.mask, planes.dead, column.family, DARK)
            row, col = divmod(int(counts.argmax()), width)
            alt = f"Kept channels per position; most, {counts.max()} of {channels}, at row {row}, column {col}."
            st.image(figures.png(picture), width="stretch", alt=alt)
            st.caption(f"Kept channels per position, at most {counts.max()} of {channels}.")
        place = right
    else:
        place = st.container()
    with place:
        st.image(figures.png(figures.mosaic(planes.mask, planes.dead, column.family, DARK)), width="stretch", alt=words)
        names = ", ".join(str(c) for c in busiest if planes.mask[c].any())
        st.caption(f"All {channels} channels, by number. Most neurons kept in: {names or 'none'}.")


# --- neurons ------------------------------------------------------------------------------------------------------------


def show_neurons(scene: Scene, columns: list[Column]) -> None:
    st.markdown("## Which neurons rank first")
    scored = [column.scored for column in columns if column.scored]
    if not scored:
        return
    view = session.view()
    sites = scene.network.sites
    at = min(view.site, len(sites) - 1)
    widgets.ranking_scope(sites[at].name)
    rows = compute.top_neurons(scene, scored[0], scored[1:], at if view.only_site else None, TOP_NEURONS)
    with st.container(key="neurons"):
        table, picture = st.columns([2.2, 1])
        with table:
            show_table(scene, scored, rows)
        with picture:
            show_neuron(scene, scored)


def show_table(scene: Scene, scored: list[Scored], rows: list[NeuronRow]) -> None:
    if not rows:
        st.info(f"{scored[0].method} gives no neuron here a score above 0.")
        return
    records = [record(scene, scored, row) for row in rows]
    chosen = [i for i, row in enumerate(rows) if (row.site, row.position) == session.view().neuron]

    def selected() -> None:
        picked = st.session_state["neuron_table"].selection.rows
        neuron = (rows[picked[0]].site, rows[picked[0]].position) if picked else None
        session.change(lambda v: replace(v, neuron=neuron))

    st.dataframe(
        pd.DataFrame(records), key="neuron_table", on_select=selected, selection_mode="single-row", hide_index=True, height=430,
        selection_default={"selection": {"rows": chosen, "columns": []}} if chosen else None,
        column_config={
            "score": st.column_config.NumberColumn(format="%.3g"),
            "activation": st.column_config.NumberColumn(format="%.3g"),
        },
        alt=f"The {len(rows)} neurons {scored[0].method} keeps longest; the first is at {records[0]['site']}, channel "
        f"{records[0]['channel']}, row {records[0]['row']}, column {records[0]['column']}.",
    )  # fmt: skip
    made_from = export.provenance(scene, session.view(), scored[0])
    name = export.file_name(session.view().image, scene.network.name, scored[0].method, "neurons.csv")
    offer("CSV", name, "text/csv", lambda: export.csv_file(records, made_from), "neurons")


def record(scene: Scene, scored: list[Scored], row: NeuronRow) -> dict[str, object]:
    site = scene.network.sites[row.site]
    _, height, width = site.planes
    channel, rest = divmod(row.position, height * width)
    places = {
        f"rank, {s.method}": None if place is None else place + 1 for s, place in zip(scored, row.ranks, strict=True)
    }
    return {
        "site": site.name, "channel": channel, "row": rest // width, "column": rest % width,
        "score": row.score, **places, "activation": row.activation,
    }  # fmt: skip


def show_neuron(scene: Scene, scored: list[Scored]) -> None:
    neuron = session.view().neuron
    sites = scene.network.sites
    if neuron is None or neuron[0] >= len(sites) or neuron[1] >= sites[neuron[0]].neurons:
        st.image(figures.jpeg(scene.picture), width="stretch", alt="The photo; no neuron is selected.")
        st.caption("Select a row to see on the photo what that neuron can see, and where its channel is active.")
        return
    site = sites[neuron[0]]
    box = compute.sees(scene, neuron)
    row = compute.neuron_row(scene, scored[0], scored[1:], neuron)
    where = f"{site.name}, {position_name(site.planes, neuron[1])}"
    picture = figures.outlined(scene.picture, box, compute.channel_activation(scene, neuron))
    alt = f"{where} sees pixels {box[0]} to {box[2]} across and {box[1]} to {box[3]} down; its channel is active where it is light."
    st.image(figures.jpeg(picture, 92), width="stretch", alt=alt)
    places = {
        f"Rank, {s.method}": "score 0" if place is None else f"{place + 1:,}"
        for s, place in zip(scored, row.ranks, strict=True)
    }
    st.html(
        markup.panel_title(where)
        + markup.facts(
            {
                "Activation": number(row.activation) if row.activation else "0, dead",
                "Sees": f"{box[2] - box[0]} × {box[3] - box[1]} pixels",
                **places,
            }
        )
    )


main()
