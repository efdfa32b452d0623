"""What a page is drawn from: the view in the colours of the page, and the scene that most pages look at.

A page is found once at the start of a run and handed to whatever draws a part of it. Callbacks run before the next
one is found: they change the view by ``session.change`` and hold no page, whose scene would stay in memory with them.
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

from core.network import Network
from explorer.compute import export
from explorer.compute.export import Provenance
from explorer.compute.rankings import Selection
from explorer.compute.restriction import Answer
from explorer.compute.scene import Scene, make_scene
from explorer.plots.palette import Theme
from explorer.plots.words import plain
from explorer.state.view import View
from explorer.ui import session

__all__ = ["PageContext", "SceneContext", "find_page", "find_scene"]


@dataclass(frozen=True)
class PageContext:
    """What every page is drawn from.

    Attributes:
        view: what the person chose.
        theme: the colours of the page.
    """

    view: View
    theme: Theme


@dataclass(frozen=True)
class SceneContext(PageContext):
    """What a page about one photo in one network is drawn from.

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
        """Return the provenance of what is shown of the scene, of a selection, and of its answer."""
        return export.provenance(self.scene, self.view, selection, answer)

    @property
    def target(self) -> str:
        """Return the target's name, fit for Markdown."""
        return plain(self.network.class_names[self.scene.target])


def find_page() -> PageContext:
    """Return what every page is drawn from."""
    return PageContext(session.view(), session.theme())


def find_scene(network: Network) -> SceneContext:
    """Return what a page about one photo is drawn from.

    Args:
        network: the view's, to which the view is fitted already, see ``session.fit``.
    """
    view = session.view()
    photo = session.pictures()[view.image]()
    return SceneContext(view, session.theme(), make_scene(network, photo, view.crop, view.target), photo)
