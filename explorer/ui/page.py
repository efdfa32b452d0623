"""The context that a page is drawn from: the view, the colours of the page, and on most pages a scene.

The context is made once per run and passed to every function that draws a part of the page. Callbacks run before the
next one is made: they change the view by ``session.change``, and hold no context, which would keep its scene in memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from core.network import Network
from explorer.compute import Answer, Provenance, Scene, Selection, export, make_scene
from explorer.plots import Theme, plain
from explorer.state import View
from explorer.ui import session

__all__ = ["PageContext", "SceneContext", "find_page", "find_scene"]


@dataclass(frozen=True)
class PageContext:
    """The context of every page.

    Attributes:
        view: what the person chose.
        theme: the colours of the page.
    """

    view: View
    theme: Theme


@dataclass(frozen=True)
class SceneContext(PageContext):
    """The context of a page about one photo in one network.

    Attributes:
        scene: the photo in the network.
        photo: the whole photo, before it is cropped.
    """

    scene: Scene
    photo: Image.Image

    @property
    def network(self) -> Network:
        """Return the scene's network."""
        return self.scene.network

    def made_from(self, selection: Selection | None = None, answer: Answer | None = None) -> Provenance:
        """Return the provenance of the scene, and of a selection and its answer if they are given."""
        return export.provenance(self.scene, self.view, selection, answer)

    @property
    def target(self) -> str:
        """Return the target's name, fit for Markdown."""
        return plain(self.network.class_names[self.scene.target])


def find_page() -> PageContext:
    """Return the context of this run."""
    return PageContext(session.view(), session.theme())


def find_scene(network: Network) -> SceneContext:
    """Return the context of this run, with the scene that the view names.

    Args:
        network: the view's network; the view is fitted to it already, see ``session.fit``.
    """
    view = session.view()
    photo = session.pictures()[view.image]()
    return SceneContext(view, session.theme(), make_scene(network, photo, view.crop, view.target), photo)
