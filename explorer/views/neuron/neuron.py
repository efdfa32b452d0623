"""The Neuron page: receptive field and activation of one neuron or channel, its ranks, and what excites it."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

from core.methods import METHODS
from core.strategy import Strategy
from explorer import ui
from explorer.compute import Scene, Scored, catalogue, neurons, rankings
from explorer.plots import figures, number, percent, position_name
from explorer.state import Neuron
from explorer.views.columns import submit_scores
from explorer.views.knockout import offer_silencing
from explorer.views.neuron.connections import show_connections

__all__ = ["show_neuron"]


def show_neuron(page: ui.SceneContext) -> None:
    """Show the neuron that the view has selected."""
    neuron = _chosen_neuron(page)
    st.markdown(f"## What does this neuron do for *{page.target}*?")
    with st.container(key="which"):
        ui.controls.neuron(page.network, neuron)
    _show_pictures(page, neuron)
    offer_silencing(page, neuron)
    show_connections(page, neuron)
    _show_places(page, neuron)
    _show_excitement(page.scene, neuron)


def _chosen_neuron(page: ui.SceneContext) -> Neuron:
    """Return the neuron looked at: the selected one, or the one that NeuronMCT keeps longest."""
    selected = page.view.neuron
    if selected is not None:
        return selected
    scored = rankings.scores_now(page.scene, Strategy("NeuronMCT"))
    return next(iter(scored.ranking.top(1)), (0, 0))


def _show_pictures(page: ui.SceneContext, neuron: Neuron) -> None:
    """Show what the neuron sees of the photo, and its channel's activation and scores over it."""
    site = page.network.sites[neuron[0]]
    box = neurons.sees(page.scene, neuron)
    activation = neurons.channel_activation(page.scene, neuron)
    channel, row, column = site.place(neuron[1])
    with st.container(key="panels"):
        panels = st.columns(4)
        with panels[0]:
            st.html(ui.panel_title("What it sees", f"{box[2] - box[0]} × {box[3] - box[1]} pixels"))
            picture = figures.outlined(page.scene.picture, box)
            alt = f"The photo; the neuron sees pixels {box[0]} to {box[2]} across and {box[1]} to {box[3]} down."
            st.image(figures.jpeg(picture, 92), width="stretch", alt=alt)
            st.caption("Exact: every pixel that any path leads from, and no other.")
        with panels[1]:
            _show_map(page.scene, "Activation", f"channel {channel} on this photo", activation)
        with panels[2]:
            _show_scores(page, neuron)
        with panels[3]:
            _show_facts(page.scene, neuron, float(activation[row, column]))


def _show_map(scene: Scene, title: str, detail: str, values: figures.Floats, colour: str = "") -> None:
    st.html(ui.panel_title(title, detail, colour))
    end = float(values.max())
    spread = figures.spread(values, scene.picture.size)
    picture = figures.over_photo(scene.picture, spread, end, "magnitude", 85)
    row, column = divmod(int(values.argmax()), values.shape[1])
    alt = f"{title}, {detail}: largest, {number(end)}, at row {row}, column {column} of {len(values)}."
    st.image(figures.jpeg(picture, 92), width="stretch", alt=alt)
    st.html(ui.colour_bar("0", number(end), "", figures.colours("magnitude")))


def _show_scores(page: ui.SceneContext, neuron: Neuron) -> None:
    strategy = page.view.strategy(page.view.first)
    ticket = submit_scores(page.scene, strategy)
    if ticket.result is None:
        st.html(ui.panel_title("Score", f"{strategy.title}, still in line"))
        ui.show_progress(ticket, "score")
        return
    _show_map(page.scene, "Score", strategy.title, neurons.channel_scores(page.scene, ticket.result, neuron))


def _show_facts(scene: Scene, neuron: Neuron, activation: float) -> None:
    site = scene.network.sites[neuron[0]]
    channel = site.place(neuron[1])[0]
    dead = scene.dead[neuron[0]].view(site.planes)[channel]
    st.html(
        ui.panel_title(site.name, position_name(site, neuron[1]))
        + ui.facts(
            {
                "Activation": number(activation) if activation else "0, dead",
                "Site": f"{neuron[0]} of 0 to {len(scene.network.sites) - 1}, {' × '.join(map(str, site.shape))}",
                "Channel, active": percent(1 - int(dead.sum()) / dead.numel()),
                "Channel, largest": number(float(neurons.channel_activation(scene, neuron).max())),
            }
        )
        + ui.made_from({"network": scene.network.name, "image": scene.key[3]})
    )


def _show_places(page: ui.SceneContext, neuron: Neuron) -> None:
    """Show the rank of a neuron, or of its channel's, under every strategy, and what is on the pathway."""
    channel = page.network.sites[neuron[0]].place(neuron[1])[0]
    st.markdown(f"## Where strategies rank {f'the neurons of channel {channel}' if page.view.whole else 'it'}")
    ui.controls.sparsity()
    strategies = [page.view.strategy(method) for method in METHODS]
    found = {strategy: rankings.ready_scores(page.scene, strategy) for strategy in strategies}
    rows = [_place(page, strategy, scored, neuron) for strategy, scored in found.items()]
    st.table(rows)
    missing = [strategy for strategy, scored in found.items() if scored is None]
    if not missing:
        return
    names = ", ".join(strategy.title for strategy in missing)
    if not ui.confirm("ranks", "Rank it under the others too", f"{names}: these take a while."):
        return
    for place, strategy in enumerate(missing):
        st.html(ui.panel_title(strategy.title, strategy.summary))
        ui.show_progress(submit_scores(page.scene, strategy), f"place_{place}")


def _place(page: ui.SceneContext, strategy: Strategy, scored: Scored | None, neuron: Neuron) -> dict[str, str]:
    if scored is None:
        return {"strategy": strategy.title, "rank": "not made yet", "score": "", "on the pathway": ""}
    view = page.view
    if view.whole:
        return {"strategy": strategy.title} | _channel_place(page, scored, neuron)
    row = neurons.neuron_row(page.scene, scored, [], neuron)
    on = neurons.on_pathway(scored, view.sparsity, neuron)
    return {
        "strategy": strategy.title,
        "rank": _rank(page.scene, row.ranks[0]),
        "score": "" if scored.ordinal else number(row.score),
        "on the pathway": ("yes" if on else "no") + (", dead" if row.activation == 0 else ""),
    }


def _channel_place(page: ui.SceneContext, scored: Scored, neuron: Neuron) -> dict[str, str]:
    """Return about a channel: the best rank, the sum of scores, and how many neurons are on the pathway."""
    site = page.network.sites[neuron[0]]
    channel = site.place(neuron[1])[0]
    ranks = scored.ranking.ranks[site.index].view(site.planes)[channel]
    best = int(ranks.min())
    kept = scored.site_mask(page.view.sparsity, site.index).view(site.planes)[channel]
    dead = int((kept & page.scene.dead[site.index].view(site.planes)[channel]).count_nonzero())
    return {
        "rank": f"best {_rank(page.scene, best if best < len(scored.ranking.scores) else None)}",
        "score": ""
        if scored.ordinal
        else f"sum {number(float(neurons.channel_scores(page.scene, scored, neuron).sum()))}",
        "on the pathway": f"{number(int(kept.count_nonzero()))} of {number(kept.numel())}"
        + (f", {number(dead)} of them dead" if dead else ""),
    }


def _rank(scene: Scene, rank: int | None) -> str:
    return "score 0" if rank is None else f"{rank + 1:,} of {scene.network.neurons:,}"


def _show_excitement(scene: Scene, neuron: Neuron) -> None:
    """Show the embedded photos on which the neuron's channel is most active."""
    site = scene.network.sites[neuron[0]]
    channel = site.place(neuron[1])[0]
    st.markdown(f"## Which photos excite channel {channel} of {site.name}")
    ticket = ui.submit(neurons.excitement_task(scene.network))
    if ticket.result is None:
        ui.show_progress(ticket, "excitement")
        return
    strongest = ticket.result.strongest(neuron[0], channel)[:6]
    with st.container(key="photos"):
        for place, (panel, (name, peak)) in enumerate(zip(st.columns(6), strongest, strict=False)):
            facts = catalogue.sample_facts(name)
            title = facts.title if facts else name
            with panel:
                thumbnail = figures.thumbnail(catalogue.sample(name), 160)
                st.image(figures.jpeg(thumbnail), width="stretch", alt=f"{title}: largest activation {number(peak)}.")
                st.html(ui.facts({title: number(peak)}))
                st.button("Look", key=f"look_{place}", on_click=lambda name=name: _look(name, neuron))


def _look(name: str, neuron: Neuron) -> None:
    ui.session.look_at(name)
    ui.session.change(lambda v: replace(v, neuron=neuron))
