"""Local linearity on a page: radii of pathways, over sparsity, and the response along a line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, nan

import streamlit as st

from explorer import ui
from explorer.compute import Followed, Radii, Scene, export, linearity, task_queue
from explorer.plots import Axis, Line, curves, dots, duration, number, percent, plain, position_name, shaded
from explorer.views.columns import Column, lacking, made_from_all, offer_rows, show_waiting, submit_columns, there

__all__ = ["show_line", "show_over_sparsity", "show_radii", "show_strategies"]

KINDS = {"relu": "would switch", "relu6": "would meet its ceiling"}


def show_strategies(page: ui.SceneContext) -> list[Column]:
    """Draw the choice of the strategies compared; return their columns."""
    st.markdown(f"## How far around the photo is *{page.target}* a linear matter?")
    count = len(page.view.columns)
    with st.container(key="methods"):
        for place, panel in zip(range(count), st.columns(max(4, count)), strict=False):
            with panel:
                ui.strategy_controls.column(place)
    columns = submit_columns(page, page.view.columns)
    ui.strategy_controls.more_columns()
    ui.controls.sparsity()
    ui.controls.restriction()
    return columns


def show_radii(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show each column's exact and effective radius on one logarithmic axis, and what limits it."""
    for column in columns:
        if column.selection is None:
            show_waiting(page.scene, column)
    ready = there(columns)
    if not ready:
        return
    if not ui.confirm("radii", f"Measure the radii of {len(ready)}"):
        st.caption(
            "Exact radius: inside that ball around the photo no neuron of the pathway switches and no max pool changes "
            "its winner, so that the restricted network is affine. Effective radius: where its response has left its "
            "linearisation by a twentieth. A minute or so for each on one core."
        )
        return
    view = page.view
    wanted = [(c.selection, c.title, view.sparsity) for c in ready if c.selection]
    ticket = ui.submit_at("radii", linearity.radii_tasks(page.scene, wanted, view.off))
    ui.show_progress_at("radii", ticket)
    found = [(c, r) for c, r in zip(ready, ticket.result, strict=True) if r]
    if not found:
        return
    words = [f"{c.title} exact {number(r.exact.radius)}, effective {number(r.effective.median)}" for c, r in found]
    figure = dots(
        [c.title for c, _ in found],
        {
            "exact": [r.exact.radius for _, r in found],
            "effective, random directions": [r.effective.median for _, r in found],
            "effective, along the gradient": [r.effective.along_gradient for _, r in found],
        },
        [c.colour for c, _ in found],
        "L2 distance from the photo, in normalised pixels",
    )
    ui.show_chart(figure, "radii", f"Radii on a logarithmic axis: {'; '.join(words)}.")
    st.caption(
        "Further right is more linear. The exact ball is tiny since one of millions of neurons ends it; the effective "
        "radius is the number a person can use: along the gradient, and the median over 32 random directions, which "
        "spread over decades. The original network is locally linear too: its region is only far smaller. Checked by "
        f"sampling {linearity.DIRECTIONS} directions just inside the ball, and the limiting one just outside."
    )
    _show_limits(page.scene, found)
    _offer(page, found)


def _show_limits(scene: Scene, found: list[tuple[Column, Radii]]) -> None:
    """Show what ends each exact ball, how sure that is, and what sampling says of it."""
    with st.container(key="panels"):
        for place, (column, radius) in zip(st.columns(max(4, len(found))), found, strict=False):
            with place:
                _show_limit(scene, column, radius)


def _show_limit(scene: Scene, column: Column, found: Radii) -> None:
    exact, limit = found.exact, found.exact.limit
    st.html(ui.panel_title(column.title, "what limits it", column.colour))
    facts = {"Exact radius": number(exact.radius), "Effective": number(found.effective.median)}
    if found.checked:
        facts |= {
            "Off its tangent, inside": f"≤ {found.checked.inside:.0e}",
            "Changed just outside": number(found.checked.changed),
        }
    st.html(
        ui.facts(facts)
        + ui.made_from(
            {
                "confidence": exact.confidence,
                "boundaries": number(exact.candidates),
                "exact norms": number(exact.exact),
                "in": duration(found.seconds),
            }
        )
    )
    if limit is None:
        st.caption("Nothing bounds it: no neuron on the pathway has a gradient to the photo.")
        return
    if limit.kind == "pool":
        st.caption(f"In the max pool {plain(limit.name)} another element would win a window.")
        return
    if limit.site is None:
        st.caption(f"{plain(limit.name)}, a map of classes and no site: one of its neurons {KINDS[limit.kind]}.")
        return
    site = scene.network.sites[limit.site]
    tie = "It lies exactly on its boundary." if exact.radius == 0 else ""
    st.caption(f"{plain(site.name)}, {position_name(site, limit.position)} {KINDS[limit.kind]}. {tie}")
    neuron = (limit.site, limit.position)
    st.button(
        "Open this neuron",
        key=f"open_limit_{column.place}",
        type="tertiary",
        icon=":material/adjust:",
        on_click=lambda: ui.open_neuron(neuron),
    )


def _offer(page: ui.SceneContext, found: list[tuple[Column, Radii]]) -> None:
    rows = [
        export.row(c.selection, c.answer)
        | {
            "exact_radius": r.exact.radius,
            "confidence": r.exact.confidence,
            "limit": r.exact.limit.name if r.exact.limit else None,
            "limit_position": r.exact.limit.position if r.exact.limit else None,
            "effective_median": r.effective.median,
            "effective_along_gradient": r.effective.along_gradient,
            "seconds": round(r.seconds, 3),
        }
        for c, r in found
        if c.selection and c.answer
    ]
    offer_rows(page, [c for c, _ in found], rows, "radii")


def show_over_sparsity(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show how each method's radii grow as its pathway grows sparser."""
    st.markdown("## As the pathway grows sparser")
    ranked = [column for column in there(columns) if column.scored]
    if not ranked:
        st.info(lacking(columns) or "The references do not grow sparser; add a selection method.")
        return
    if not ui.confirm("radii over sparsity", f"Measure at {len(linearity.SPARSITIES)} sparsities"):
        st.caption(f"Radii of {', '.join(c.title for c in ranked)}; ten seconds or so each.")
        return
    wanted = [(c.scored, f"{c.title} {percent(s)}", s) for c in ranked for s in linearity.SPARSITIES if c.scored]
    group = linearity.radii_tasks(page.scene, wanted, page.view.off, directions=1)  # the gradient's alone
    ticket = ui.submit_at("radii_over_sparsity", group)
    ui.show_progress_at("radii_over_sparsity", ticket)
    parts, stops = ticket.result, len(linearity.SPARSITIES)
    found = [(column, _stops(parts[place * stops :][:stops])) for place, column in enumerate(ranked)]
    words = [
        f"{c.title} at {percent(s)} {number(r.exact.radius)}" for c, measured in found for s, r in measured.items()
    ]
    if not words:
        return
    lines = [line for column, measured in found for line in _radii_lines(column, measured)]
    figure = curves(lines, Axis("sparsity", percent=True), Axis("radius, L2", logarithmic=True))
    ui.show_chart(figure, "radii_over_sparsity", f"Radii over sparsity, exact: {'; '.join(words)}.")
    st.caption("Higher is more linear: fewer neurons, fewer boundaries, and longer steps to them.")
    rows = [
        {
            "strategy": column.title,
            "sparsity_asked": sparsity,
            "exact_radius": r.exact.radius,
            "effective_along_gradient": r.effective.along_gradient,
        }
        for column, measured in found
        for sparsity, r in measured.items()
    ]
    offer_rows(page, ranked, rows, "radii over sparsity", answered=False)


def _stops(parts: Sequence[Radii | None]) -> dict[float, Radii]:
    """Return the results of one column that are there, by sparsity."""
    return {sparsity: part for sparsity, part in zip(linearity.SPARSITIES, parts, strict=True) if part}


def _radii_lines(column: Column, measured: dict[float, Radii]) -> tuple[Line, Line]:
    """Return the lines of exact radii, without zeros (the axis is logarithmic), and of finite effective ones."""
    x, values = tuple(measured), measured.values()
    effective = [r.effective.along_gradient if r.effective.along_gradient < inf else nan for r in values]
    return (
        Line(f"{column.title}, exact", column.colour, [r.exact.radius or 1e-12 for r in values], x),
        Line(f"{column.title}, effective along the gradient", column.colour, effective, x),
    )


def show_line(page: ui.SceneContext, columns: list[Column]) -> None:
    """Show a restricted response along a line from the photo, with its tangent and the certified ball."""
    st.markdown("## Along a line from the photo")
    ready, view = there(columns), page.view
    if not ready:
        return
    column, ray = _choose_line(page, ready)
    if not ui.confirm("line", "Follow the line") or column.selection is None:
        return
    group = linearity.line_tasks(page.scene, column.selection, column.title, view.sparsity, view.off, ray)
    ticket = ui.submit_at("line", group)
    ui.show_progress_at("line", ticket)
    (followed,) = ticket.result
    if followed is None:
        return
    measured = linearity.radii_tasks(page.scene, [(column.selection, column.title, view.sparsity)], view.off)
    (found,) = task_queue.QUEUE.peek(measured).result
    _draw_line(page, column, ray, followed, found.exact.radius if found else None)
    line = followed.line
    values = zip(line.ts, line.responses.tolist(), line.tangent.tolist(), line.switched.tolist(), strict=True)
    rows = [{"t": t, "response": f, "tangent": g, "switched": n} for t, f, g, n in values]
    made = made_from_all(page, [column]) | {"ray": ray}
    ui.offer_table(rows, made.about("line"), "line")


def _choose_line(page: ui.PageContext, ready: list[Column]) -> tuple[Column, str]:
    """Draw the choice of a column and of a direction; return what is chosen."""
    view, labels, titles = page.view, linearity.rays(), [column.title for column in ready]
    place = min(view.ray_of, len(ready) - 1)
    ray = view.ray if view.ray in labels else linearity.GRADIENT
    with st.container(key="charts_follow"):
        left, right = st.columns(2)
        with left:
            key = f"ray_of_{hash(tuple(titles))}"
            st.selectbox(
                "Follow the response of",
                range(len(ready)),
                index=ui.settle(key, place),
                format_func=titles.__getitem__,
                key=key,
                on_change=lambda: ui.session.change(lambda v: replace(v, ray_of=st.session_state[key])),
            )
        with right:
            st.selectbox(
                "Direction",
                list(labels),
                index=list(labels).index(ui.settle("ray", ray)),
                format_func=labels.__getitem__,
                key="ray",
                on_change=lambda: ui.session.change(lambda v: replace(v, ray=st.session_state["ray"])),
            )
    return ready[place], ray


def _draw_line(page: ui.SceneContext, column: Column, ray: str, followed: Followed, ball: float | None) -> None:
    line = followed.line
    x, response = line.ts[1:], line.responses[1:].tolist()  # the photo, at 0, is not on a logarithmic axis
    spread = [v for v in response if abs(v) < inf]
    room = 0.15 * ((max(spread) - min(spread)) or 1.0)
    across = Axis("L2 distance from the photo", logarithmic=True)
    with st.container(key="charts_line"):
        left, right = st.columns(2)
    with left:
        lines = [
            Line("response", column.colour, response, x),
            Line("its tangent at the photo", page.theme.ink, line.tangent[1:].tolist(), x, quiet=True),
        ]
        name = plain(page.network.class_names[page.scene.target])
        y = Axis(f"logit of {name}", ends=(min(spread) - room, max(spread) + room))
        ends = f"from {number(response[0])} at the photo to {number(response[-1])} at distance {number(x[-1])}"
        figure = shaded(curves(lines, across, y), ball, "certified ball")
        ui.show_chart(figure, "line", f"Response of {column.title} {linearity.rays()[ray]}: {ends}.")
    with right:
        switched = Line("switched neurons", column.colour, [float(v) or nan for v in line.switched[1:]], x)
        figure = shaded(curves([switched], across, Axis("neurons switched", logarithmic=True)), ball, "")
        ui.show_chart(figure, "switched", f"Neurons switched: {number(int(line.switched[-1]))} at the end of the line.")
    certified = (
        f"Shaded: the certified ball, of radius {number(ball)}." if ball else "Measure the radii to see the ball."
    )
    st.caption(f"{certified} In it the response lies on its tangent, and no neuron of the pathway has switched.")
