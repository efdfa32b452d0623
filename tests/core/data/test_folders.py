"""Folders of images as people have them: against torchvision's ImageFolder, and what lies in them that is no image."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from core.data.datasets import open_dataset
from core.data.folders import read_folder
from core.errors import PathwayError


def put(root: Path, *names: str) -> Path:
    """Make files under a folder, pictures or not, by their names."""
    data = io.BytesIO()
    Image.new("RGB", (4, 4), "red").save(data, "PNG")
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data.getvalue() if name.endswith((".png", ".PNG")) else b"text")
    return root


NESTED = ("cat/1.png", "cat/kittens/2.png", "cat/kittens-2/1.png", "cat/kittens/a/0.png", "dog/b.png", "dog/a.PNG")


def test_classes_are_read_as_torchvision_reads_them(tmp_path):
    root = put(tmp_path / "pets", *NESTED)
    theirs = ImageFolder(str(root))
    found = read_folder(root)
    assert [(str(path), label) for path, label in found.files] == theirs.samples
    assert list(found.class_names) == theirs.classes
    assert found.notes == ()
    assert open_dataset(str(root)).labels == theirs.targets


@pytest.mark.parametrize(
    "rubbish",
    [
        ".ipynb_checkpoints/1-checkpoint.png",
        ".git/logo.png",
        "__MACOSX/cat/1.png",
        "@eaDir/1.png",
        "$RECYCLE.BIN/1.png",
        "cat/._1.png",
        "dog/.ipynb_checkpoints/b.png",
        "cat/Thumbs.db",
        "desktop.ini",
    ],
)
def test_what_is_hidden_or_of_the_system_is_no_class_and_no_image(tmp_path, rubbish):
    root = put(tmp_path, *NESTED, rubbish)
    found = read_folder(root)
    assert (len(found.files), found.class_names) == (len(NESTED), ("cat", "dog"))
    (note,) = found.notes
    assert note.startswith("Left out: 1 entry hidden or of the operating system, such as ")
    assert "/".join(rubbish.split("/")[:1]) in note


def test_what_is_left_out_is_counted_with_an_example(tmp_path):
    root = put(tmp_path, *NESTED, "cat/notes.txt", "dog/list.csv", "dog/old/list.csv", "cover.png")
    (root / "bird").mkdir()
    assert read_folder(root).notes == (
        "Left out: 3 entries not named as an image, such as 'cat/notes.txt'.",
        "Left out: 1 entry without an image, such as 'bird'.",
        "Left out: 1 entry beside the folders of the classes, such as 'cover.png'.",
    )


@pytest.mark.parametrize(
    ("parts", "read", "others"),
    [
        (("train", "val"), "val", ("train",)),
        (("train", "test"), "test", ("train",)),
        (("Train", "Validation", "Test"), "Validation", ("Test", "Train")),
    ],
)
def test_a_folder_of_parts_is_read_as_one_of_them(tmp_path, parts, read, others):
    for place, part in enumerate(parts):
        put(tmp_path / "pets" / part, *NESTED[: 5 + place % 2])
    found = read_folder(tmp_path / "pets")
    theirs = ImageFolder(str(tmp_path / "pets" / read))
    assert [(str(path), label) for path, label in found.files] == theirs.samples
    assert (found.name, found.class_names) == (f"pets-{read}", ("cat", "dog"))
    assert f"{read!r} is read" in found.notes[0]
    assert all(repr(str(tmp_path / "pets" / other)) in found.notes[0] for other in others)


def test_a_part_without_classes_is_not_chosen(tmp_path):
    put(tmp_path / "train", *NESTED)
    put(tmp_path / "val", *NESTED)
    put(tmp_path / "test", "1.png")  # as ImageNet's, whose classes are not published
    assert read_folder(tmp_path).name.endswith("-val")


def test_classes_called_as_parts_are_classes(tmp_path):
    put(tmp_path, "train/1.png", "test/1.png")  # vehicles and lab reports
    assert read_folder(tmp_path).class_names == ("test", "train")


def test_a_folder_that_cannot_be_read_is_a_note_and_the_rest_goes_on(tmp_path, monkeypatch):
    root = put(tmp_path, *NESTED, "secret/1.png")
    iterdir = Path.iterdir

    def closed(self: Path):
        if self.name == "secret":
            raise PermissionError(13, "Permission denied", str(self))
        return iterdir(self)

    monkeypatch.setattr(Path, "iterdir", closed)  # to root, who runs tests in containers, nothing is closed
    found = read_folder(root)
    assert found.class_names == ("cat", "dog")
    assert "Left out: 1 entry that cannot be read, such as 'secret'." in found.notes


def test_a_link_around_in_a_circle_ends(tmp_path):
    root = put(tmp_path, *NESTED)
    (root / "cat" / "again").symlink_to(root / "cat")
    found = read_folder(root)
    assert len(found.files) == len(NESTED)
    assert found.notes == ("Left out: 1 entry leading back to a folder above, such as 'cat/again'.",)


def test_links_to_other_folders_are_followed_as_torchvision_follows_them(tmp_path):
    root = put(tmp_path / "pets", *NESTED)
    put(tmp_path / "more", "9.png")
    (root / "bird").symlink_to(tmp_path / "more")
    assert [str(path) for path, _ in read_folder(root).files] == [path for path, _ in ImageFolder(str(root)).samples]


@pytest.mark.skipif(os.name != "posix", reason="names are bytes on POSIX alone")
def test_names_that_are_not_utf_8_are_escaped_and_can_be_told_apart(tmp_path):
    root = os.fsencode(put(tmp_path, *NESTED))
    for name in (b"caf\xe9", b"caf\\xe9"):
        os.mkdir(os.path.join(root, name))
        Image.new("RGB", (4, 4)).save(os.path.join(root, name, b"\xff.png").decode("utf-8", "surrogateescape"))
    data = open_dataset(str(tmp_path))
    assert data.class_names == ("caf\\\\xe9", "caf\\xe9", "cat", "dog")
    assert set(data.names) >= {"caf\\xe9/\\xff.png", "caf\\\\xe9/\\xff.png"}
    for text in (*data.names, *data.class_names, *data.notes):
        text.encode("utf-8")
    assert data.read(data.names.index("caf\\xe9/\\xff.png"))[:4] == b"\x89PNG"


def test_a_folder_of_nothing_but_rubbish_says_what_is_there(tmp_path):
    put(tmp_path, "notes.txt", ".hidden.png")
    with pytest.raises(PathwayError, match=r"holds no images; wanted files ending in .jpg.* such as '.hidden.png'"):
        read_folder(tmp_path)
