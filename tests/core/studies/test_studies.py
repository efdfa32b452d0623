"""Studies against the public API called image by image, and against every way in which a run can go wrong."""

from __future__ import annotations

import dataclasses
import io
import json
import math
import re
from functools import partial
from itertools import combinations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image

from core import (
    METHODS,
    dead_share,
    fidelity,
    linear_radius,
    load_network,
    open_dataset,
    overlap,
    pathway_gradient,
    rank,
)
from core.attribution import BASELINES
from core.attribution.attribution import Attribution
from core.data.images import image_hash, open_image
from core.errors import Cancelled, PathwayError
from core.evaluation import degradation, energy_inside, insertion, pointing_game, removals, sanity_check, sensitivity_n
from core.pathways.overlap import chance_overlap
from core.strategy import Strategy
from core.studies import MEASURES, Loader, Serial, Store, Study, estimate, measuring, run, running, summarise
from core.studies import store as stores
from core.studies.agreement import overlaps_of_all
from core.studies.measuring import measure
from core.studies.plan import Item, Task
from core.studies.rows import SCHEMA
from explorer.study_summary import study_lines

NETWORK = load_network("fashion_vgg", device="cpu")
DATA = open_dataset("fashion-mnist")
SMALL = Study(
    "fashion-mnist",
    "fashion_vgg",
    strategies=(Strategy("NeuronMCT"), Strategy.parse("NeuronIntGrad:n_steps=3"), Strategy("Random")),
    sparsities=(0.8, 0.95),
    count=5,
    batch=2,
)


def done(study: Study, folder) -> Store:
    run(study, folder, Serial(lambda: NETWORK), NETWORK)
    return Store(folder)


def frame(store: Store, **wanted) -> pd.DataFrame:
    table = store.rows(**wanted).to_pandas()
    for column in table.select_dtypes("category"):
        table[column] = table[column].astype(str)
    return table


def only(table: pd.DataFrame, **wanted) -> float:
    """The value of the one row that has these columns."""
    for name, value in wanted.items():
        table = table[table[name] == value]
    assert len(table) == 1, (wanted, table)
    return float(table["value"].iloc[0])


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return done(SMALL, tmp_path_factory.mktemp("small"))


def single(index: int, strategy: Strategy, sparsity: float):
    image = NETWORK.preprocess(open_image(DATA.read(index)))
    target = int(NETWORK.run(image).logits.argmax())
    scores = METHODS[strategy.name](NETWORK, image, target, **dict(strategy.options))
    return image, target, rank(scores).pathway(sparsity)


def test_every_number_is_what_single_calls_give(small):
    table = frame(small)
    assert sorted(table["index"].unique()) == SMALL.chosen(len(DATA))
    for index in SMALL.chosen(len(DATA)):
        for sparsity in SMALL.sparsities:
            cut = {strategy: single(index, strategy, sparsity) for strategy in SMALL.strategies}
            for strategy, (image, target, pathway) in cut.items():
                about = {"index": index, "sparsity": sparsity, "method": strategy.name, "options": strategy.written}
                wanted, overall = fidelity(NETWORK, image, target, pathway), {**about, "site": ""}
                assert only(table, measure="p_ratio", **overall) == pytest.approx(wanted.p_ratio, rel=1e-4)
                assert only(table, measure="prediction_kept", **overall) == wanted.prediction_kept
                assert only(table, measure="dead_share", **overall) == dead_share(NETWORK, image, pathway)
                for site, kept in zip(NETWORK.sites, pathway.kept_shares, strict=True):
                    assert only(table, measure="kept_share", site=site.name, **about) == kept
            (one, (_, _, first)), (other, (_, _, second)) = list(cut.items())[:2]
            about = {"index": index, "sparsity": sparsity, "method": one.name, "other": str(other), "site": ""}
            assert only(table, measure="overlap", **about) == overlap(first, second)
            chance = chance_overlap(1 - first.sparsity, 1 - second.sparsity)
            assert only(table, measure="chance_overlap", **about) == chance


def test_every_row_says_where_it_comes_from(small):
    table = frame(small)
    picture = open_image(DATA.read(int(table["index"].iloc[0])))
    assert list(table.columns) == SCHEMA.names
    assert table["image_hash"].iloc[0] == image_hash(picture)
    assert set(table["weights_hash"]) == {NETWORK.weights_hash}
    assert set(table["network"]) == {"fashion_vgg"}
    assert set(table["dataset"]) == {"fashion-mnist"}
    assert table["label"].tolist() == [DATA.class_names[DATA.labels[index]] for index in table["index"]]
    assert all("torch 2" in each and "torchvision" in each for each in table["versions"])
    assert (table["seconds"] > 0).all()
    assert set(table["error"]) == {""}
    achieved = table[(table["method"] == "NeuronMCT") & (table["sparsity"] == 0.95)]["achieved"].unique()
    assert achieved == pytest.approx([0.95], abs=1e-4)


def test_maps_radii_and_baselines_are_what_single_calls_give(tmp_path):
    study = dataclasses.replace(
        SMALL,
        strategies=(Strategy("NeuronMCT"),),
        baselines=("Gradient", "Grad-CAM"),
        sparsities=(0.9,),
        measures=("linear-radius", "lerf", "insertion", "sensitivity-n", "sanity"),
        count=1,
        off="frozen",
    )
    table = frame(done(study, tmp_path))
    (index,) = study.chosen(len(DATA))
    image, target, pathway = single(index, study.strategies[0], 0.9)
    gradient = Attribution(pathway_gradient(NETWORK, image, target, pathway, off="frozen"), True)
    maps = {"NeuronMCT": gradient, **{name: BASELINES[name](NETWORK, image, target) for name in study.baselines}}
    removed = removals(NETWORK, image, target)
    for method, attribution in maps.items():
        rows = table[table["method"] == method]
        curve = degradation(NETWORK, image, target, attribution.relevance, order="lerf")
        assert rows[rows["measure"] == "lerf"]["x"].tolist() == list(curve.shares)
        assert rows[rows["measure"] == "lerf"]["value"].tolist() == pytest.approx(curve.changes, abs=1e-5)
        assert only(rows, measure="lerf_area_10") == pytest.approx(curve.change_area(0.1), abs=1e-6)
        inserted = insertion(NETWORK, image, target, attribution.relevance)
        assert only(rows, measure="insertion_area") == pytest.approx(inserted.area(), abs=1e-6)
        wanted = sensitivity_n(removed, attribution.contributions(image))
        got = rows[rows["measure"] == "sensitivity_n"]
        assert got["value"].tolist() == pytest.approx(wanted.correlations, nan_ok=True, abs=1e-6)
        assert got["x"].tolist() == list(wanted.sizes)
    stages = sanity_check(NETWORK, image, target, BASELINES["Gradient"])
    rows = table[(table["method"] == "Gradient") & (table["measure"] == "sanity_ssim")]
    assert rows["other"].tolist() == [stage.name for stage in stages]
    assert rows["value"].tolist() == pytest.approx([stage.similarity.ssim for stage in stages], abs=1e-5)
    for method, kept in (("original", None), ("NeuronMCT", pathway)):
        wanted = linear_radius(NETWORK, image, target, kept, off="frozen").radius
        assert only(table, measure="linear_radius", method=method) == pytest.approx(wanted)


def test_localisation_reads_the_images_own_transparency(tmp_path):
    (tmp_path / "pictures").mkdir()
    picture = open_image(DATA.read(0)).convert("RGBA")
    alpha = Image.new("L", picture.size, 0)
    alpha.paste(255, (4, 10, 20, 24))
    picture.putalpha(alpha)
    picture.save(tmp_path / "pictures" / "cut.png")
    Image.open(io.BytesIO(DATA.read(1))).save(tmp_path / "pictures" / "opaque.png")
    study = Study(
        str(tmp_path / "pictures"), "fashion_vgg", strategies=(), baselines=("Gradient",), measures=("localisation",)
    )
    table = frame(done(study, tmp_path / "out"))
    assert set(table["image"]) == {"cut.png"}  # an opaque image marks no object
    shown = open_image((tmp_path / "pictures" / "cut.png").read_bytes())
    image = NETWORK.preprocess(shown)
    mask = torch.zeros(28, 28, dtype=torch.bool)
    mask[10:24, 4:20] = True
    relevance = BASELINES["Gradient"](NETWORK, image, int(NETWORK.run(image).logits.argmax())).relevance
    assert only(table, measure="energy_inside") == pytest.approx(energy_inside(relevance, mask))
    assert only(table, measure="pointing_game") == float(pointing_game(relevance, mask))
    near = sum(  # closer than 15 / 224 of 28 pixels, 1.875
        any((row - r) ** 2 + (column - c) ** 2 < 1.875**2 for r in range(10, 24) for c in range(4, 20))
        for row in range(28)
        for column in range(28)
    )
    assert only(table, measure="pointing_chance") == pytest.approx(near / 784)
    assert only(table, measure="mask_share") == pytest.approx(14 * 16 / 784)


def test_labels_can_be_explained_where_the_classes_are_the_networks(tmp_path):
    study = dataclasses.replace(
        SMALL, target="label", strategies=SMALL.strategies[:1], measures=("fidelity",), count=40
    )
    table = frame(done(study, tmp_path))
    assert [DATA.labels[index] for index in table["index"]] == table["target"].tolist()
    wrong = table[table["prediction"] != table["label"]]
    assert len(wrong) > 0
    with pytest.raises(PathwayError, match="The classes of photos are not those of fashion_vgg"):
        run(dataclasses.replace(study, dataset="photos"), tmp_path / "b", Serial(lambda: NETWORK), NETWORK)


# ----------------------------------------------------------------------------------------------------- class agreement


def test_class_agreement_is_the_mean_overlap_with_all_other_images(tmp_path):
    study = dataclasses.replace(SMALL, measures=("class-agreement",), count=24, batch=7, sparsities=(0.9,))
    table = frame(done(study, tmp_path))
    indices = study.chosen(len(DATA))
    labels = [DATA.labels[index] for index in indices]
    for strategy in study.strategies[:2]:
        paths = [single(index, strategy, 0.9)[2] for index in indices]
        rows = table[table["method"] == strategy.name]
        for place, index in enumerate(indices[:4]):
            shares = [overlap(paths[place], other) for other in paths]
            same = [s for i, s in enumerate(shares) if i != place and labels[i] == labels[place]]
            others = [s for i, s in enumerate(shares) if labels[i] != labels[place]]
            got = only(rows, measure="same_class_overlap", index=index)
            assert got == pytest.approx(np.mean(same), rel=1e-3) if same else math.isnan(got)
            assert only(rows, measure="other_class_overlap", index=index) == pytest.approx(np.mean(others), rel=1e-3)
        one, other = sorted({DATA.class_names[label] for label in labels})[:2]
        pairs = [
            overlap(paths[i], paths[j])
            for i, a in enumerate(labels)
            for j, b in enumerate(labels)
            if (DATA.class_names[a], DATA.class_names[b]) == (one, other)
        ]
        got = only(rows, measure="class_overlap", label=one, other=other)
        assert got == pytest.approx(np.mean(pairs), rel=1e-3)
        every = list(combinations(range(len(paths)), 2))
        alike = [overlap(paths[i], paths[j]) for i, j in every if labels[i] == labels[j]]
        got = only(rows, measure="same_class_overlap_mean", label="")
        assert got == pytest.approx(np.mean(alike), rel=1e-3)
        low, high = (only(rows, measure=f"same_class_overlap_{end}", label="") for end in ("low", "high"))
        assert low < got < high
    assert "Random" not in set(table["method"])  # all images share its pathway
    with pytest.raises(PathwayError, match="photos has no classes to compare"):
        run(dataclasses.replace(study, dataset="photos"), tmp_path / "b", Serial(lambda: NETWORK), NETWORK)


def test_overlaps_of_packed_masks_by_hand():
    masks = np.packbits(np.array([[1, 1, 0, 0, 0, 0, 0, 0], [1, 0, 1, 0, 0, 0, 0, 0], [0] * 8], bool), axis=1)
    wanted = [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, np.nan]]
    np.testing.assert_allclose(overlaps_of_all(masks), wanted)


# ------------------------------------------------------------------------------------------------------------- failures


def item(index: int, data: bytes) -> Item:
    return Item(index, f"{index}.png", None, data)


def test_a_broken_image_is_a_row_with_its_error_and_not_the_end(tmp_path):
    (tmp_path / "pictures").mkdir()
    for index in range(3):
        (tmp_path / "pictures" / f"{index}.png").write_bytes(DATA.read(index))
    (tmp_path / "pictures" / "broken.png").write_bytes(b"no picture at all")
    (tmp_path / "pictures" / "empty.png").write_bytes(b"")
    with (tmp_path / "pictures" / "large.png").open("wb") as file:
        file.truncate(200 * 2**20 + 1)
    study = dataclasses.replace(SMALL, dataset=str(tmp_path / "pictures"), count=None, batch=6)
    outcome = run(study, tmp_path / "out", Serial(lambda: NETWORK), NETWORK)
    table = frame(Store(tmp_path / "out"))
    errors = table[table["error"] != ""]
    assert (outcome.images, outcome.errors) == (6, 3)
    assert errors["image"].tolist() == ["broken.png", "empty.png", "large.png"]
    for said, words in zip(
        errors["error"],
        (
            "17 bytes are text, not a picture that can be read",
            "The file is empty",
            "large.png has 209,715,201 bytes, wanted at most 209,715,200",
        ),
        strict=True,
    ):
        assert words in said
    assert set(table[table["error"] == ""]["image"]) == {"0.png", "1.png", "2.png"}


def test_a_file_that_cannot_be_read_is_not_said_to_be_empty(tmp_path):
    (tmp_path / "a.png").write_bytes(DATA.read(0))
    data = open_dataset(str(tmp_path))
    (tmp_path / "a.png").unlink()
    (task,) = SMALL.tasks(data, [(0,)], set())
    part = measure(NETWORK, task, "folder")
    assert part.rows.column("error").to_pylist() == [
        "a.png cannot be read (No such file or directory). Wanted a file that is there and may be read."
    ]


def test_a_method_that_finds_nothing_is_an_error_row_and_left_out_of_overlaps(tmp_path, monkeypatch):
    def nothing(network, images, targets, **options):
        found = METHODS["NeuronMCT"].function(network, images, targets)
        return [found[0], *[PathwayError("No gates kept the prediction.")] * (len(images) - 1)]

    monkeypatch.setitem(METHODS, "DGR(init=1)", dataclasses.replace(METHODS["DGR(init=1)"], function=nothing))
    study = dataclasses.replace(SMALL, strategies=(Strategy("NeuronMCT"), Strategy("DGR(init=1)")), count=2)
    table = frame(done(study, tmp_path))
    first, second = study.chosen(len(DATA))
    errors = table[table["error"] != ""]
    assert errors[["index", "measure", "method"]].to_numpy().tolist() == [[second, "scores", "DGR(init=1)"]]
    assert set(table[table["measure"] == "overlap"]["index"]) == {first}
    assert set(table[(table["method"] == "NeuronMCT") & (table["measure"] == "p_ratio")]["index"]) == {first, second}


def test_a_batch_that_fails_as_a_whole_is_measured_image_by_image(monkeypatch):
    bad = open_image(DATA.read(1)).tobytes()

    def failing(network, image, *args, **options):
        if len(image) > 1 or NETWORK.preprocessing.picture(image).tobytes() == bad:
            raise RuntimeError("out of memory")
        return restrict(network, image, *args, **options)

    restrict = measuring.restrict_each
    monkeypatch.setattr(measuring, "restrict_each", failing)
    task = Task(SMALL, 0, tuple(item(index, DATA.read(index)) for index in range(3)), ())
    table = measure(NETWORK, task, "folder").rows.to_pandas()
    assert table[table["error"] != ""][["image", "measure", "error"]].to_numpy().tolist() == [
        ["1.png", "image", "out of memory"]
    ]
    assert set(table[table["measure"] == "p_ratio"]["image"]) == {"0.png", "2.png"}


def test_cancelling_goes_through_and_is_no_row():
    def stop(done, total, note):
        raise Cancelled("enough")

    task = Task(SMALL, 0, (item(0, DATA.read(0)),), ())
    with pytest.raises(Cancelled):
        measure(NETWORK, task, "folder", stop)


# --------------------------------------------------------------------------------------------------------------- store


def stopping(after: int):
    """Progress that stops the run once some images are done."""

    def stop(images, total, note):
        if images >= after:
            raise KeyboardInterrupt

    return stop


def everything(store: Store) -> pd.DataFrame:
    return frame(store).drop(columns="seconds")


def test_a_stopped_run_goes_on_and_writes_nothing_twice(tmp_path, small, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        run(SMALL, tmp_path, Serial(lambda: NETWORK), NETWORK, progress=stopping(2))
    there = {path: path.stat().st_mtime_ns for path in (tmp_path / "rows").iterdir()}
    assert len(there) == 1
    (tmp_path / "rows" / "part-00002.parquet.0a1b2c3d.writing").write_bytes(b"half")  # what a power cut leaves
    done(SMALL, tmp_path)
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == [f"part-0000{n}.parquet" for n in range(3)]
    pd.testing.assert_frame_equal(everything(Store(tmp_path)), everything(small))


def test_a_folder_keeps_one_study_and_one_process(tmp_path):
    store = done(dataclasses.replace(SMALL, count=1), tmp_path)
    with pytest.raises(PathwayError, match="holds another study"):
        done(SMALL, tmp_path)
    with store.opened(store.manifest), pytest.raises(PathwayError, match="Another process writes to"):
        done(dataclasses.replace(SMALL, count=1), tmp_path)


def test_a_full_disk_is_said_and_harms_nothing(tmp_path, monkeypatch):
    written = []

    def full(path, data):
        if path.name.startswith("part-") and len(written) == 2:
            raise OSError(28, "No space left on device")
        written.append(path.name)
        write(path, data)

    write = stores.write_atomically
    monkeypatch.setattr(stores, "write_atomically", full)
    with pytest.raises(PathwayError, match=r"No space left on device.*run the same command again"):
        done(SMALL, tmp_path)
    monkeypatch.undo()
    assert Store(tmp_path).done() == {0}
    done(SMALL, tmp_path)
    assert Store(tmp_path).done() == {0, 1, 2}


def test_a_damaged_part_is_named(tmp_path):
    store = done(dataclasses.replace(SMALL, count=1), tmp_path)
    (tmp_path / "rows" / "part-00000.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(PathwayError, match=r"part-00000.parquet is damaged .* Delete it and run"):
        store.rows()
    with pytest.raises(PathwayError, match="holds no study that can be read"):
        _ = Store(tmp_path / "nothing").manifest


def test_files_are_written_at_once_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "file"
    stores.write_atomically(path, b"before")
    with pytest.raises(TypeError):
        stores.write_atomically(path, "no bytes")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_rows_are_read_by_what_is_wanted(small):
    table = small.rows(measure=["overlap"], site=[""], sparsity=[0.8])
    assert table.num_rows == 5 * 3
    assert set(table["measure"].to_pylist()) == {"overlap"}
    assert small.rows(measure=["nothing"]).num_rows == small.rows(site=[]).num_rows == 0
    assert Store(small.folder / "none").rows().schema == SCHEMA


# ------------------------------------------------------------------------------------------------------- plan, estimate


def test_a_plan_survives_json(tmp_path):
    study = dataclasses.replace(SMALL, baselines=("Gradient",), measures=("lerf",), checkpoint="a.pth", root="/data")
    assert Study.from_plan(json.loads(json.dumps(study.plan))) == study
    with pytest.raises(PathwayError, match="no plan of a study"):
        Study.from_plan({"strategies": []})
    names = {study.fingerprint(NETWORK, DATA), SMALL.fingerprint(NETWORK, DATA)}
    assert len(names) == 2


def test_strategies_are_read_as_they_are_written():
    strategy = Strategy.parse("NeuronIntGrad:n_steps=5, as_released=0")
    assert strategy == Strategy("NeuronIntGrad", (("n_steps", 5),))  # a default is no choice
    assert Strategy.parse(str(strategy)) == strategy
    for text, message in {
        "Best": "There is no strategy 'Best'",
        "NeuronIntGrad:steps=5": "NeuronIntGrad has no option 'steps'",
        "NeuronIntGrad:n_steps": "wanted option=number",
        "NeuronIntGrad:n_steps=1000": "wanted a whole number from 1 to 200",
    }.items():
        with pytest.raises(PathwayError, match=message):
            Strategy.parse(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"strategies": (Strategy("Original"),)}, "There is no selection method 'Original'"),
        ({"measures": ("beauty",)}, "There is no measure 'beauty'"),
        ({"baselines": ("Oracle",)}, "There is no baseline 'Oracle'"),
        ({"baselines": ("Gradient",)}, "choose a measure of maps"),
        ({"measures": ()}, "measures nothing"),
        ({"sparsities": (1.0,)}, "Got sparsity 1.0"),
        ({"sparsities": ()}, "cut at sparsities"),
        ({"sparsities": (0.9, 0.9)}, "named twice"),
        ({"strategies": (Strategy("Random"), Strategy("Random"))}, "named twice"),
        ({"off": "gone"}, "Got off='gone'"),
        ({"count": 0}, "at least one image"),
    ],
)
def test_plans_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(PathwayError, match=message):
        dataclasses.replace(SMALL, **changes)


def test_images_are_a_seeded_choice_cut_into_parts():
    assert SMALL.chosen(3) == [0, 1, 2]
    assert SMALL.chosen(10_000) != dataclasses.replace(SMALL, seed=1).chosen(10_000)
    parts = SMALL.parts(NETWORK, DATA)
    assert list(map(len, parts)) == [2, 2, 1]
    assert [index for part in parts for index in part] == SMALL.chosen(len(DATA))
    assert len(dataclasses.replace(SMALL, batch=0, count=None).parts(NETWORK, DATA)[0]) == 32


def test_an_estimate_writes_nothing_and_counts_what_is_left(tmp_path, small):
    expected = estimate(SMALL, tmp_path / "new", NETWORK)
    assert expected.images == 5
    assert pytest.approx(expected.passes) == 1 + 1 + 0.3 * 3 * 7 + 6  # the image, MCT, IntGrad, six pathways
    assert 0 < expected.seconds < 60
    assert not (tmp_path / "new").exists()
    assert estimate(SMALL, small.folder, NETWORK).images == 0
    whole = dataclasses.replace(SMALL, baselines=("Gradient",), measures=tuple(MEASURES))
    assert estimate(whole, tmp_path, NETWORK).passes > 1200 / 3 + 1000
    assert estimate(whole, tmp_path, NETWORK).mask_bytes == 3 * 2 * NETWORK.neurons // 8 * 5


def test_a_persons_own_checkpoint_is_studied(tmp_path):
    path = tmp_path / "mine.pth"
    torch.save(NETWORK.program.model.state_dict(), path)
    study = dataclasses.replace(SMALL, checkpoint=str(path), count=1)
    network = Loader.of(study)()
    assert (network.name, network.classes) == ("mine", 10)
    assert network.weights_hash != NETWORK.weights_hash
    with pytest.raises(PathwayError, match=r"The checkpoint .*nothing.pth cannot be read"):
        Loader.of(dataclasses.replace(study, checkpoint=str(tmp_path / "nothing.pth")))


# ------------------------------------------------------------------------------------------------------------- summary


def test_a_summary_is_means_over_images_with_intervals(small):
    table = summarise(small.rows(measure=["p_ratio"], site=[""]))
    rows = frame(small, measure=["p_ratio"])
    chosen = rows[(rows["method"] == "NeuronMCT") & (rows["sparsity"] == 0.8)]["value"]
    row = table[(table["method"] == "NeuronMCT") & (table["sparsity"] == 0.8)].iloc[0]
    geometric = math.prod(chosen) ** (1 / 5)
    assert (row["mean"], row["median"], row["images"]) == (pytest.approx(geometric), chosen.median(), 5)
    assert row["low"] <= row["mean"] <= row["high"]
    assert len(table) == 6


def test_what_the_command_prints_of_a_study(small):
    lines = study_lines(small.folder)
    rows = frame(small, measure=["dead_share"], site=[""])
    rows = rows[rows["sparsity"] == 0.8]
    values = {method: own.set_index("index")["value"] for method, own in rows.groupby("method", observed=True)}
    mean = f"{values['Random'].mean():.4g}"
    said = [line for line in lines if line.startswith("dead_share") and "Random" in line and " 0.8 " in line]
    assert len(said) == 1
    assert re.search(rf" {mean}  \S+ to \S+ \(n = 5\)$", said[0])
    start = lines.index("\ndead_share, sparsity 0.8")
    last = next(line for line in lines[start:] if line.startswith("Random"))
    difference = (values["Random"] - values["NeuronMCT"]).mean()
    assert re.search(rf"^Random +{difference:.3g}[* ]\(5\)", last)


def test_a_radius_is_one_number_whatever_limits_it():
    columns = {name: [None] * 2 for name in SCHEMA.names} | {
        "method": ["a"] * 2,
        "measure": ["linear_radius"] * 2,
        "other": ["features.1", "features.2"],
        "value": [1.0, 3.0],
        "achieved": [0.9] * 2,
    }
    assert summarise(pa.table(columns))["median"].tolist() == [2.0]


def test_failures_and_gaps_are_not_in_the_mean():
    columns = {name: [None] * 3 for name in SCHEMA.names} | {
        "method": ["a"] * 3,
        "measure": ["m"] * 3,
        "value": [1.0, 3.0, math.nan],
        "achieved": [0.9] * 3,
    }
    table = summarise(pa.table(columns), ["method"])
    assert (table["mean"].item(), table["images"].item()) == (2.0, 2)


def test_parts_that_no_worker_could_do_are_rows_of_failures(tmp_path):
    class Broken:
        def run(self, tasks, work):
            for task in tasks:
                yield running.Failed(task, RuntimeError("the worker was killed"))

    outcome = run(SMALL, tmp_path, Broken(), NETWORK)
    table = frame(Store(tmp_path))
    assert outcome.errors == len(table) == 5
    assert set(table["error"]) == {"the worker was killed"}
    assert sorted(table["index"]) == SMALL.chosen(len(DATA))


def test_work_is_a_plain_function_that_can_be_sent():
    import pickle  # what Dask sends by

    task = next(SMALL.tasks(DATA, SMALL.parts(NETWORK, DATA), set()))
    again = pickle.loads(pickle.dumps((task, Loader.of(SMALL), partial(measure, dataset="x"))))
    assert again[0] == task
