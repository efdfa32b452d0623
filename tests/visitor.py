"""A user's session without a browser: it talks to the real server over its WebSocket, and fetches pictures.

It draws nothing and so is cheap; thirty of them fit beside a server on two cores. Like a browser, it remembers the
state of its widgets, runs fragments again when they ask for it, fetches every picture it is sent, and uploads to the
server's address for uploads.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState
from websockets.sync.client import connect

__all__ = ["Failure", "Visitor"]

Path = tuple[int, ...]
MAIN = 0  # index of the page's elements; 1 is the sidebar


class Failure(AssertionError):
    """The server showed an error, or did not show the expected element."""


@dataclass
class _Shown:
    kind: str
    element: Any
    run: int


@dataclass
class Visitor:
    """One session.

    Args:
        address: of the server, http://HOST:PORT.
        query: of the first link.
    """

    address: str
    query: str = ""
    page_hash: str = field(default="", init=False)
    running: bool = field(default=True, init=False)  # or about to
    pictures: dict[str, bytes] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.address)
        self._host = parts.netloc
        self._http = http.client.HTTPConnection(self._host, timeout=120)
        self._socket = connect(
            f"ws://{self._host}/_stcore/stream",
            subprotocols=["streamlit"],
            max_size=None,
            compression=None,
            legacy=True,
            ping_interval=None,  # no browser asks
        )
        self._shown: dict[Path, _Shown] = {}
        self._states: dict[str, WidgetState] = {}
        self._again: dict[str, tuple[float, float]] = {}  # fragment: interval, next time
        self._run = 0
        self._session = ""
        self._files: Any = None
        self._send()

    def __enter__(self) -> Visitor:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> None:
        """Close the tab."""
        self._socket.close()

    # ------------------------------------------------------------------------------------------------- what it sees

    def all(self, kind: str) -> list[Any]:
        """Return the elements of a kind, in the order of the page."""
        return [shown.element for _, shown in sorted(self._shown.items()) if shown.kind == kind]

    def images(self) -> dict[str, str]:
        """Return the addresses of the page's pictures by their names: their alternative text up to its comma."""
        found = {}
        for path, shown in sorted(self._shown.items()):
            if shown.kind == "imgs" and path[0] == MAIN:
                for image in shown.element.imgs:
                    found.setdefault(image.alt.split(",")[0], image.url)
        return found

    def digests(self) -> dict[str, str]:
        """Return the hash of each picture, fetched."""
        return {name: hashlib.sha256(self.fetch(url)).hexdigest()[:16] for name, url in self.images().items()}

    def fetch(self, url: str) -> bytes:
        """Return a picture's bytes; each is fetched once.

        Raises:
            Failure: the server does not have it.
        """
        if url not in self.pictures:
            status, self.pictures[url], _ = self._request("GET", url)
            if status != 200:
                raise Failure(f"{url}: {status}")
        return self.pictures[url]

    def said(self, kind: str) -> list[str]:
        """Return the text of alerts ("alert"), Markdown ("markdown") or progress bars ("progress")."""
        return [element.text if kind == "progress" else element.body for element in self.all(kind)]

    # ------------------------------------------------------------------------------------------------- what it does

    def follow(self, query: str) -> None:
        """Change the address."""
        self.query = query
        self._send()

    def choose(self, key: str, value: int | str | list[str] | float) -> None:
        """Set a widget, named by its key.

        Args:
            key: of the widget.
            value: a stop's number for a slider, an option's text for a select box, all chosen options for pills.
        """
        kind, element = self._widget(key)
        state = WidgetState(id=element.id)
        if kind == "slider":
            if element.options:
                state.string_array_value.data[:] = [element.options[int(value)]]  # type: ignore[arg-type]
            else:
                state.double_array_value.data[:] = [float(value)]  # type: ignore[arg-type]
        elif kind == "selectbox":
            state.string_value = str(value)
        elif kind == "button_group":
            state.string_array_value.data[:] = value  # type: ignore[assignment]
        elif kind == "checkbox":
            state.bool_value = bool(value)
        else:
            raise Failure(f"{key} is a {kind}.")
        self._states[element.id] = state
        self._send()

    def press(self, key: str) -> None:
        """Press a button."""
        _, element = self._widget(key)
        self._send(WidgetState(id=element.id, trigger_value=True))

    def trigger(self, key: str, event: str, value: object) -> None:
        """Send an event from one of the app's own components."""
        _, element = self._widget(key)
        self._states[element.id] = WidgetState(id=element.id, json_value="{}")
        aggregate = json.dumps([{"event": event, "value": value}])
        self._send(WidgetState(id=_make_trigger_id(element.id, "events"), json_trigger_value=aggregate))

    def upload(self, key: str, name: str, data: bytes) -> None:
        """Upload a file, as a browser does: ask for an address, put it there, tell the widget."""
        _, element = self._widget(key)
        self._files = None
        ask = BackMsg()
        ask.file_urls_request.request_id = uuid4().hex
        ask.file_urls_request.file_names.append(name)
        ask.file_urls_request.session_id = self._session
        self._socket.send(ask.SerializeToString())
        self.until(lambda: self._files is not None, "an address for the upload")
        (place,) = self._files.file_urls
        border = uuid4().hex
        disposition = f'Content-Disposition: form-data; name="file"; filename="{name}"'
        body = f"--{border}\r\n{disposition}\r\nContent-Type: application/octet-stream\r\n\r\n".encode()
        headers = {"Content-Type": f"multipart/form-data; boundary={border}", **self._token()}
        body += data + f"\r\n--{border}--\r\n".encode()
        status, _, _ = self._request("PUT", place.upload_url, body, headers)
        if status not in (200, 204):
            raise Failure(f"The upload was answered with {status}.")
        state = WidgetState(id=element.id)
        file = state.file_uploader_state_value.uploaded_file_info.add()
        file.file_id, file.name, file.size = place.file_id, name, len(data)
        file.file_urls.CopyFrom(place)
        self._states[element.id] = state
        self._send()

    def settle(self, seconds: float = 120) -> None:
        """Wait until the script has run and the queue is empty."""
        self.until(lambda: not self.running and not self.all("progress"), "all work to be done", seconds)

    def rest(self, seconds: float) -> None:
        """Stay on the page for a time, during which fragments run."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            self._step(left)

    def until(self, true: Callable[[], bool], what: str, seconds: float = 120) -> float:
        """Wait until something is true, and return how long that took.

        Raises:
            Failure: it does not become true in time, or the server shows an exception.
        """
        start = time.monotonic()
        while not true():
            left = start + seconds - time.monotonic()
            if left <= 0:
                raise Failure(f"Waited {seconds:.0f} s for {what}; shown: {self.said('alert')} {self.said('progress')}")
            self._step(left)
        return time.monotonic() - start

    # ------------------------------------------------------------------------------------------------- the protocol

    def _widget(self, key: str) -> tuple[str, Any]:
        for _, shown in sorted(self._shown.items()):
            if getattr(shown.element, "id", "").endswith(f"-{key}"):
                return shown.kind, shown.element
        raise Failure(f"There is no widget {key}.")

    def _request(
        self, verb: str, url: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, bytes, Message]:
        """Return status, body and headers of the server's answer."""
        connection = http.client.HTTPConnection(self._host, timeout=120)
        try:
            connection.request(verb, url, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def _token(self) -> dict[str, str]:
        _, _, sent = self._request("GET", "/_stcore/health")
        cookies = [text.split(";")[0] for text in sent.get_all("set-cookie", [])]
        token = next((c.partition("=")[2] for c in cookies if c.startswith("_streamlit_xsrf=")), "")
        return {"Cookie": "; ".join(cookies), "X-Xsrftoken": token.strip('"')}

    def _send(self, trigger: WidgetState | None = None, fragment: str = "") -> None:
        message = BackMsg()
        state = message.rerun_script
        state.query_string, state.page_script_hash, state.fragment_id = self.query, self.page_hash, fragment
        state.is_auto_rerun = bool(fragment)
        state.widget_states.widgets.extend([*self._states.values(), *([trigger] if trigger else [])])
        self.running = self.running or not fragment  # a fragment that no longer exists is not run, without a message
        self._socket.send(message.SerializeToString())

    def _step(self, seconds: float) -> None:
        """Read one message, or run the fragment that is due."""
        now = time.monotonic()
        due = min((when for _, when in self._again.values()), default=now + seconds)
        if due > now:
            try:
                data = self._socket.recv(timeout=min(seconds, due - now))
            except TimeoutError:
                return
            message = ForwardMsg()
            message.ParseFromString(data)
            for each in message.messages.messages if message.WhichOneof("type") == "messages" else [message]:
                self._read(each)
            return
        for fragment, (interval, when) in list(self._again.items()):
            if when <= now:
                self._again[fragment] = (interval, now + interval)
                self._send(fragment=fragment)

    def _read(self, message: ForwardMsg) -> None:
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._run += 1
            self._session = message.new_session.initialize.session_id or self._session
            self.running = True
            if not message.metadata.run.fragment_ids:
                self.page_hash = message.new_session.page_script_hash
                self._again.clear()
        elif kind == "delta":
            self._draw(tuple(message.metadata.delta_path), message.delta)
        elif kind == "script_finished":
            if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY:
                self._shown = {path: shown for path, shown in self._shown.items() if shown.run == self._run}
                there = {getattr(shown.element, "id", "") for shown in self._shown.values()}
                self._states = {widget: state for widget, state in self._states.items() if widget in there}
            self.running = message.script_finished == ForwardMsg.FINISHED_EARLY_FOR_RERUN
        elif kind == "auto_rerun":
            self._again[message.auto_rerun.fragment_id] = (
                message.auto_rerun.interval,
                time.monotonic() + message.auto_rerun.interval,
            )
        elif kind == "stop_auto_rerun":
            for fragment in message.stop_auto_rerun.fragment_ids:
                self._again.pop(fragment, None)
        elif kind == "page_info_changed":
            self.query = message.page_info_changed.query_string
        elif kind == "file_urls_response":
            self._files = message.file_urls_response

    def _draw(self, path: Path, delta: Any) -> None:
        for old in [place for place in self._shown if place[: len(path)] == path and place != path]:
            if self._shown[old].run != self._run:
                del self._shown[old]
        if delta.WhichOneof("type") != "new_element":
            self._shown.pop(path, None)
            return
        kind = delta.new_element.WhichOneof("type")
        element = getattr(delta.new_element, kind)
        if kind == "exception":
            raise Failure(f"{element.type}: {element.message}")
        if getattr(element, "set_value", False):
            self._states.pop(element.id, None)
        self._shown[path] = _Shown(kind, element, self._run)
