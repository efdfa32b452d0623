"""Networks by name: what they see on the photos, published weights on disk and on the wire, a person's checkpoints."""

from __future__ import annotations

import hashlib
import http.server
import io
import json
import re
import socket
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save as save_safetensors

from core.data.samples import sample_images
from core.errors import Cancelled, PathwayError, WeightsMissing
from core.models import architectures, weights, zoo
from core.models.architectures import build, fill, head
from core.models.weights import PublishedWeights, download_weights, find_weights
from core.models.zoo import available_networks, load_checkpoint, load_network, pick_device, published_weights
from core.network import Network

CPU = torch.device("cpu")


# ---------------------------------------------------------------------------------------------- embedded networks


@pytest.fixture(scope="module")
def lite() -> Network:
    return load_network("efficientnet_lite0", device="cpu")


@pytest.fixture(scope="module")
def squeeze() -> Network:
    return load_network("squeezenet1_1", device="cpu")


def seen(network: Network, photo: str) -> list[tuple[str, float]]:
    """The two likeliest classes and their probabilities."""
    with torch.no_grad():
        shares = network.run(network.preprocess(sample_images()[photo].open())).logits.softmax(1)[0]
    top = shares.topk(2)
    return [(network.class_names[i], p) for p, i in zip(top.values.tolist(), top.indices.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("photo", "label", "share"),
    [
        ("chelsea", "tiger cat", 0.38),
        ("coffee", "espresso", 0.96),
        ("rocket", "missile", 0.36),
        ("motorcycle", "moped", 0.58),
        ("acanthus-mollis", "pineapple", 0.92),
        ("dust-bowl-home", "barn", 0.61),
        ("french-alpine-landscape", "alp", 0.59),
        ("march-pastoral", "ram", 0.37),
        ("grace_hopper", "academic gown", 0.26),
        ("astronaut", "bobsled", 0.13),
        ("nagasaki-boats", "pirate", 0.30),
    ],
)
def test_efficientnet_lite0_sees(lite: Network, photo: str, label: str, share: float) -> None:
    (first, p), _ = seen(lite, photo)
    assert first == label
    assert p == pytest.approx(share, abs=0.015)


@pytest.mark.parametrize(
    ("photo", "first", "second", "share"),
    [
        ("chelsea", "tiger cat", "Egyptian cat", 0.387),
        ("coffee", "espresso", "consomme", 0.965),
        ("motorcycle", "moped", "disk brake", 0.462),
    ],
)
def test_squeezenet_sees(squeeze: Network, photo: str, first: str, second: str, share: float) -> None:
    (name, p), (other, _) = seen(squeeze, photo)
    assert (name, other) == (first, second)
    assert p == pytest.approx(share, abs=0.005)


def test_embedded_networks_are_whole(squeeze: Network, lite: Network) -> None:
    for network, name, sites in ((squeeze, "squeezenet1_1", 25), (lite, "efficientnet_lite0", 33)):
        assert (network.name, network.input_shape, network.classes) == (name, (3, 224, 224), 1000)
        assert len(network.sites) == sites
    assert squeeze.weights_hash == "1d720c7ac1d11968"
    assert lite.weights_hash == "c2197cc78753ea68"
    assert squeeze.class_names[281:286] == ("tabby", "tiger cat", "Persian cat", "Siamese cat", "Egyptian cat")
    assert {site.ceiling for site in lite.sites} == {6.0}


def test_a_changed_embedded_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listing = json.loads((weights.MODELS / "models.json").read_text())
    (tmp_path / "models.json").write_text(json.dumps(listing))
    monkeypatch.setattr(weights, "MODELS", tmp_path)
    with pytest.raises(PathwayError, match=r"cannot be read.*assets/build\.py"):
        weights.embedded_state("squeezenet1_1")
    (tmp_path / "squeezenet1_1.safetensors").write_bytes(b"other")
    with pytest.raises(PathwayError, match=r"was changed: SHA-256 d9298a10.*, wanted 1d720c7a"):
        weights.embedded_state("squeezenet1_1")


# ---------------------------------------------------------------------------------------------------- the listing


@pytest.mark.parametrize(
    ("name", "near"), [("resnet51", "resnet50"), ("SqueezeNet1-1", "squeezenet1_1"), ("???", "squeezenet1_1")]
)
def test_unknown_names_come_with_near_ones(name: str, near: str) -> None:
    with pytest.raises(PathwayError, match=rf"no network called {re.escape(repr(name))}.*{near}"):
        load_network(name)


def test_the_listing() -> None:
    listed = {entry.name: entry for entry in available_networks()}
    assert list(listed)[:2] == ["squeezenet1_1", "efficientnet_lite0"]
    assert len(listed) == len(architectures.architectures()) > 70
    assert [(e.embedded, e.has_weights, e.supported) for e in list(listed.values())[:2]] == [(True, True, True)] * 2
    assert (listed["squeezenet1_1"].megabytes, listed["efficientnet_lite0"].megabytes) == (4.7, 17.9)
    assert (listed["resnet18"].top1, listed["resnet18"].megabytes) == (69.758, 44.661)
    assert listed["resnet18"].supported
    assert not any(listed[name].supported for name in ("vit_b_16", "swin_t", "convnext_tiny", "efficientnet_b0"))


def test_published_weights() -> None:
    url = "https://download.pytorch.org/models/resnet18-f37072fd.pth"
    assert published_weights("resnet18") == PublishedWeights(url, "resnet18-f37072fd.pth", 44.661, "f37072fd")
    assert published_weights("mnasnet0_5").sha256 == "3ffadce67e"
    with pytest.raises(PathwayError, match="embedded"):
        published_weights("efficientnet_lite0")


def test_every_architecture_says_how_its_weights_are_checked() -> None:
    for name in architectures.architectures():
        if name not in ("efficientnet_lite0", "fashion_vgg"):
            assert len(published_weights(name).sha256) >= 8, name


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("resnet18", "fc.weight"),
        ("squeezenet1_1", "classifier.1.weight"),
        ("vgg11", "classifier.6.weight"),
        ("densenet121", "classifier.weight"),
        ("googlenet", "fc.weight"),
        ("inception_v3", "fc.weight"),
        ("mobilenet_v2", "classifier.1.weight"),
        ("efficientnet_lite0", "classifier.weight"),
        ("regnet_x_400mf", "fc.weight"),
    ],
)
def test_the_head_is_where_the_classes_are(name: str, key: str) -> None:
    assert head(name) == key
    assert build(name, 7).state_dict()[key].shape[0] == 7


# ------------------------------------------------------------------------------------------------------- devices


def test_pick_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATHWAY_DEVICE", raising=False)
    assert pick_device("cpu") == pick_device(CPU) == CPU
    assert pick_device().type == zoo._devices()[0]
    monkeypatch.setenv("PATHWAY_DEVICE", "cpu")
    assert pick_device() == CPU
    monkeypatch.setenv("PATHWAY_DEVICE", "toaster")
    with pytest.raises(PathwayError, match=r"'toaster', wanted one of .*cpu"):
        pick_device()
    assert pick_device("cpu") == CPU


@pytest.mark.parametrize("device", ["cuda:99", "meta", "xla", "cpu:-3", ""])
def test_devices_that_are_not_there(device: str) -> None:
    with pytest.raises(PathwayError, match="wanted one of"):
        pick_device(device)


def test_the_fastest_device_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PATHWAY_DEVICE", raising=False)
    monkeypatch.setattr(zoo, "_devices", lambda: ["cuda", "cpu"])
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert pick_device() == torch.device("cuda")
    assert pick_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(PathwayError, match="'cuda:2' is not on this machine, wanted one of cuda, cpu"):
        pick_device("cuda:2")


# ---------------------------------------------------------------------------------------- published weights on disk


def random_state(name: str, classes: int = 1000) -> dict[str, torch.Tensor]:
    """Small random weights, as a training run would leave them."""
    random = torch.Generator().manual_seed(0)
    return {
        key: torch.rand(value.shape, generator=random) * 0.1 if value.is_floating_point() else torch.tensor(1)
        for key, value in build(name, classes).state_dict().items()
    }


def saved(content: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def small_file() -> bytes:
    return saved(random_state("shufflenet_v2_x0_5"))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty weights folder that does not exist yet, and an empty torch.hub cache."""
    monkeypatch.setenv("PATHWAY_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    return tmp_path / "weights"


@pytest.fixture
def publish(monkeypatch: pytest.MonkeyPatch, small_file: bytes) -> Callable[[str], PublishedWeights]:
    """Make an address the publisher's, with the digest of ``small_file``."""

    def at(url: str) -> PublishedWeights:
        digest = hashlib.sha256(small_file).hexdigest()[:8]
        source = PublishedWeights(url, f"net-{digest}.pth", len(small_file) / 2**20, digest)
        monkeypatch.setattr(weights, "published_weights", lambda name: source)
        return source

    return at


def test_missing_weights_name_the_file_and_the_place(folder: Path) -> None:
    with pytest.raises(WeightsMissing, match=r"Download https://.*resnet18-f37072fd\.pth \(45 MB\)") as caught:
        load_network("resnet18", device="cpu")
    assert caught.value.path == str(folder / "resnet18-f37072fd.pth")
    assert (caught.value.name, caught.value.megabytes) == ("resnet18", 44.661)


@pytest.mark.parametrize("place", ["weights", "hub/checkpoints"])
def test_published_weights_load_from_either_folder(folder: Path, publish: Any, small_file: bytes, place: str) -> None:
    source = publish("http://nowhere.invalid/")
    path = folder.parent / place / source.filename
    path.parent.mkdir(parents=True)
    path.write_bytes(small_file)
    assert find_weights("shufflenet_v2_x0_5") == path
    network = load_network("shufflenet_v2_x0_5", device="cpu")
    assert network.weights_hash == hashlib.sha256(small_file).hexdigest()[:16]
    assert network.class_names[0] == "tench"
    assert {entry.name: entry.has_weights for entry in available_networks()}["shufflenet_v2_x0_5"]


def test_a_damaged_file_is_named(folder: Path, publish: Any, small_file: bytes) -> None:
    path = folder / publish("http://nowhere.invalid/").filename
    folder.mkdir()
    path.write_bytes(small_file[:-1])
    with pytest.raises(PathwayError, match=rf"{re.escape(str(path))} is damaged.*Delete it and fetch it again"):
        load_network("shufflenet_v2_x0_5", device="cpu")


def test_a_file_of_the_right_hash_that_is_no_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    junk = b"junk, but as published"
    source = PublishedWeights("http://nowhere.invalid/", "junk.pth", 1.0, hashlib.sha256(junk).hexdigest()[:8])
    monkeypatch.setattr(weights, "published_weights", lambda name: source)
    folder.mkdir()
    (folder / "junk.pth").write_bytes(junk)
    with pytest.raises(PathwayError, match=r"junk\.pth cannot be read.*Delete it"):
        load_network("shufflenet_v2_x0_5", device="cpu")


def test_loaded_weights_are_those_of_the_file() -> None:
    state = random_state("resnet18", 10)
    model = fill("resnet18", build("resnet18", 10), state)
    plain = torchvision.models.resnet18(num_classes=10).eval()
    plain.load_state_dict(state)
    image = torch.rand(1, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(model(image), plain(image))


def test_old_names_of_densenet_are_understood() -> None:
    state = random_state("densenet121")
    old = {re.sub(r"(denselayer\d+\.)(norm|conv)([12])", r"\1\2.\3", key): value for key, value in state.items()}
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    filled = fill("densenet121", build("densenet121"), old).state_dict()
    assert all(torch.equal(filled[key], state[key]) for key in state)


@pytest.mark.parametrize("name", ["mnasnet0_75", "regnet_x_400mf", "inception_v3"])
def test_awkward_architectures_fill(name: str) -> None:
    model = fill(name, build(name), random_state(name))
    assert not any(value.is_meta for value in (*model.parameters(), *model.buffers()))
    assert not model.training


# ------------------------------------------------------------------------------------------------------ download


@pytest.fixture
def server(small_file: bytes) -> Iterator[str]:
    """A publisher on this machine: /good sends the file, /wrong another, /short less than promised."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            bodies = {"/good": small_file, "/wrong": b"x" * 5_000_000, "/short": small_file[:2_000_000]}
            if self.path not in bodies:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(small_file)))
            self.end_headers()
            self.wfile.write(bodies[self.path][: len(small_file)])

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

        def handle(self) -> None:
            with suppress(ConnectionError):  # the client cancelled
                super().handle()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_download(folder: Path, publish: Any, server: str, small_file: bytes) -> None:
    source = publish(f"{server}/good")
    said: list[tuple[int, int, str]] = []
    path = download_weights("shufflenet_v2_x0_5", lambda *now: said.append(now))
    assert path == folder / source.filename
    assert path.read_bytes() == small_file
    assert list(folder.iterdir()) == [path]
    total = len(small_file)
    assert [done for done, _, _ in said] == [min(k, total >> 20) for k in range(1, len(said) + 1)]
    assert {all_ for _, all_, _ in said} == {total >> 20}
    assert source.filename in said[0][2]


def test_nothing_is_fetched_twice(folder: Path, publish: Any, small_file: bytes) -> None:
    source = publish("http://nowhere.invalid/")
    folder.mkdir()
    (folder / source.filename).write_bytes(small_file)
    assert download_weights("shufflenet_v2_x0_5") == folder / source.filename


def test_a_cancelled_download_leaves_nothing(folder: Path, publish: Any, server: str) -> None:
    publish(f"{server}/good")

    def cancel(done: int, total: int, note: str) -> None:
        assert len(list(folder.iterdir())) == 1
        raise Cancelled("The person pressed stop.")

    with pytest.raises(Cancelled, match="pressed stop"):
        download_weights("shufflenet_v2_x0_5", cancel)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("wrong", r"sent is not net-.*\.pth: SHA-256 .*, wanted"),
        ("short", r"sent is not net-.*\.pth: SHA-256|failed after"),
        ("absent", r"failed after 0 bytes .*404"),
    ],
)
def test_failed_downloads_say_what_to_do(folder: Path, publish: Any, server: str, page: str, words: str) -> None:
    source = publish(f"{server}/{page}")
    with pytest.raises(PathwayError, match=words) as caught:
        download_weights("shufflenet_v2_x0_5")
    assert f"Or download {source.url} by other means and put {source.filename} into {folder}" in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_dead_server(folder: Path, publish: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        source = publish(f"http://127.0.0.1:{taken.getsockname()[1]}/file")
        with pytest.raises(PathwayError, match=r"failed after 0 bytes .*Check the connection") as caught:
            download_weights("shufflenet_v2_x0_5")
    assert source.url in str(caught.value)
    assert str(folder) in str(caught.value)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("PATHWAY_WEIGHTS", str(tmp_path / "file"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(PathwayError, match=r"cannot be written.*Set PATHWAY_WEIGHTS"):
        download_weights("resnet18")


# ---------------------------------------------------------------------------------------- a person's own checkpoint

SMALL = "shufflenet_v2_x0_5"


@pytest.fixture(scope="module")
def own() -> dict[str, torch.Tensor]:
    return random_state(SMALL, 5)


def opened(data: bytes, architecture: str = SMALL, **options: Any) -> Network:
    return load_checkpoint(data, architecture, device="cpu", **options)


def wrapped(state: dict[str, torch.Tensor], how: str) -> bytes:
    prefixed = {f"module.{key}": value for key, value in state.items()}
    return {
        "safetensors": lambda: save_safetensors(state),
        "zip": lambda: saved(state),
        "legacy": lambda: saved(state, _use_new_zipfile_serialization=False),
        "state_dict": lambda: saved({"epoch": 3, "state_dict": prefixed, "best": 0.9}),
        "model": lambda: saved({"model": state, "optimizer": {"state": {}}}),
        "lightning": lambda: saved({"state_dict": {f"model._orig_mod.{key}": value for key, value in state.items()}}),
        "half": lambda: saved({key: v.half() if v.is_floating_point() else v for key, v in state.items()}),
        "counterless": lambda: saved({key: v for key, v in state.items() if "num_batches_tracked" not in key}),
    }[how]()


@pytest.mark.parametrize(
    "how", ["safetensors", "zip", "legacy", "state_dict", "model", "lightning", "half", "counterless"]
)
def test_checkpoints_of_every_shape(own: dict[str, torch.Tensor], how: str) -> None:
    data = wrapped(own, how)
    network = opened(data, filename="birds.pth")
    assert (network.name, network.classes, network.input_shape) == ("birds", 5, (3, 224, 224))
    assert network.class_names == ("class 0", "class 1", "class 2", "class 3", "class 4")
    assert network.weights_hash == hashlib.sha256(data).hexdigest()[:16]
    assert network.dtype == torch.float32
    plain = torchvision.models.shufflenet_v2_x0_5(num_classes=5).eval()
    plain.load_state_dict(own)
    image = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        close = {"atol": 1e-2, "rtol": 1e-2} if how == "half" else {"atol": 1e-5, "rtol": 1e-4}
        torch.testing.assert_close(network.run(image).logits, plain(image), **close)


def test_auxiliary_classifiers_are_left_out() -> None:
    full = torchvision.models.googlenet(num_classes=3, aux_logits=True, init_weights=False).state_dict()
    assert "aux1.fc2.weight" in full
    network = opened(saved(full), "googlenet")
    assert (network.name, network.classes, len(network.sites)) == ("googlenet", 3, 57)


BIRDS = ["wren", "robin", "jay", "kite", "owl"]


def test_class_names(own: dict[str, torch.Tensor]) -> None:
    listed = {"class_names": json.dumps(BIRDS)}
    assert opened(save_safetensors(own, listed)).class_names == tuple(BIRDS)
    assert opened(saved({"model": own, "class_names": BIRDS})).class_names == tuple(BIRDS)
    assert opened(saved({"state_dict": own, "classes": BIRDS})).class_names == tuple(BIRDS)
    assert opened(saved(own), class_names=BIRDS).class_names == tuple(BIRDS)
    assert opened(save_safetensors(own, listed), class_names=list("abcde")).class_names == tuple("abcde")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["one", "two"], "got 2 class names, wanted one for each of its 5"),
        ("abcde", "wanted a list of 5 words"),
        ([1, 2, 3, 4, 5], "words"),
    ],
)
def test_wrong_class_names(own: dict[str, torch.Tensor], names: Any, words: str) -> None:
    with pytest.raises(PathwayError, match=words):
        opened(saved({"model": own, "class_names": names}))
    with pytest.raises(PathwayError, match=words):
        opened(saved(own), class_names=names)


def test_metadata_that_is_no_list(own: dict[str, torch.Tensor]) -> None:
    with pytest.raises(PathwayError, match="not a JSON list"):
        opened(save_safetensors(own, {"class_names": "wren, robin"}), filename="birds.safetensors")


class Code:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_is_not_run_and_the_weights_beside_it_are_read(
    tmp_path: Path, own: dict[str, torch.Tensor], zipped: bool
) -> None:
    data = saved({"state_dict": own, "extra": Code(tmp_path / "ran")}, _use_new_zipfile_serialization=zipped)
    assert opened(data, filename="evil.pth").classes == 5
    assert not (tmp_path / "ran").exists()


def test_wrong_architecture_is_explained(own: dict[str, torch.Tensor]) -> None:
    with pytest.raises(PathwayError, match=r"no weight classifier\.1\.weight, the last layer of squeezenet1_1.*fc\.b"):
        opened(saved(own), "squeezenet1_1")
    with pytest.raises(PathwayError, match=r"not fit resnet18\. missing: .* more; not part of it: conv1\.0\.weight"):
        opened(saved(own), "resnet18")
    with pytest.raises(PathwayError, match=r"another shape: .*\d+, 24, 1, 1\), wanted \("):
        opened(saved(own), "shufflenet_v2_x1_0")


def changed(state: dict[str, torch.Tensor], key: str, value: torch.Tensor | None) -> dict[str, torch.Tensor]:
    return {**state, key: value} if value is not None else {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("conv1.0.weight", None, r"missing: conv1\.0\.weight\. Choose"),
        ("conv5.2.weight", torch.zeros(2), r"not part of it: conv5\.2\.weight\. Choose"),
        ("fc.bias", torch.zeros(4), r"of another shape: fc\.bias is \(4,\), wanted \(5,\)\. Choose"),
        (
            "fc.bias",
            torch.tensor([1.0, float("nan"), 0, 0, float("inf")]),
            r"fc\.bias holds values that are NaN or infinite as float32 \(2 of 5\)\. A training that diverged",
        ),
        ("fc.bias", torch.zeros(5, dtype=torch.complex64), r"not plain real numbers: fc\.bias\. Choose"),
        ("fc.weight", torch.zeros(0, 1024), r"fc\.weight has shape \(0, 1024\), wanted one row per class"),
        ("fc.weight", torch.tensor(1.0), r"fc\.weight has shape \(\), wanted one row per class"),
        ("fc.weight", torch.zeros(1, 1).expand(10**6, 1024), r"holds 3,9\d\d MB, wanted at most 1,024 MB"),
    ],
)
def test_weights_that_do_not_fit_are_listed(
    own: dict[str, torch.Tensor], key: str, value: torch.Tensor | None, words: str
) -> None:
    with pytest.raises(PathwayError, match=words):
        opened(saved(changed(own, key, value)))


def test_sizes_are_checked_before_reading(own: dict[str, torch.Tensor]) -> None:
    with pytest.raises(PathwayError, match=r"holds 1 MB, wanted at most 1 MB.*optimiser"):
        opened(saved(own), max_bytes=1_000_000)
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data/0", bytes(30_000_000))
    assert len(bomb.getvalue()) < 50_000
    with pytest.raises(PathwayError, match="holds 29 MB, wanted at most 19 MB"):
        opened(bomb.getvalue(), max_bytes=20_000_000)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a checkpoint",
        b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
        b"PK\x03\x04",
        saved([torch.zeros(3)]),
        saved({}),
        saved(torch.zeros(3)),
        saved({"state_dict": {}}),
        saved({"fc.weight": "words"}),
        save_safetensors({"a": torch.zeros(2)})[:-1],
        saved({"a": torch.zeros(2)})[:-100],
    ],
)
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(PathwayError, match=r"Wanted a safetensors file, or a \.pth file|Choose the architecture"):
        opened(data)


SEEDS = [
    save_safetensors({"fc.weight": torch.zeros(2, 2)}, {"class_names": "[]"}),
    saved({"state_dict": {"fc.weight": torch.zeros(2, 2)}}),
    saved({"fc.weight": torch.zeros(2, 2)}, _use_new_zipfile_serialization=False),
]


@settings(max_examples=150)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 3000), st.integers(1, 255)), max_size=4),
    st.integers(0, 99),
)
def test_damaged_checkpoints_never_raise_anything_else(seed: bytes, flips: list[tuple[int, int]], lost: int) -> None:
    damaged = bytearray(seed)
    for place, flip in flips:
        damaged[place % len(damaged)] ^= flip
    with pytest.raises(PathwayError):
        opened(bytes(damaged[: len(damaged) - lost]))


@settings(max_examples=50)
@given(st.sampled_from([b"", b"PK\x03\x04", b"\x80\x02\x8a\x0a", b"\x08\x00\x00\x00\x00\x00\x00\x00{"]), st.binary())
def test_random_bytes_never_raise_anything_else(start: bytes, data: bytes) -> None:
    with pytest.raises(PathwayError):
        opened(start + data)
