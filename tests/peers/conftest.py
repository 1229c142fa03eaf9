"""The real counterparts: Jackson, GitBook's spec (with Prism to play it), signers; `npm install` in here."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future

import pytest

from bridge.sandbox import Sandbox, running_sandbox
from tests.peers.processes import Jackson, Prism
from tests.peers.scene import Bridge, Scene
from tests.peers.scim_place import ScimPlace, running_scim
from tests.peers.signers import Node
from tests.peers.spec import NODE_MODULES, Spec, cut, load_spec, write_v1


@pytest.fixture(scope="session")
def node_modules() -> None:
    """Skip without the counterparts' packages; in CI (the variable CI is set) fail."""
    if NODE_MODULES.is_dir():
        return
    text = "tests/peers/node_modules is absent: run `make peers` (npm install in tests/peers)"
    if os.environ.get("CI"):
        pytest.fail(text)
    pytest.skip(text)


@pytest.fixture(scope="session")
def spec(node_modules: None) -> Spec:
    """GitBook's OpenAPI document, cut to what the bridge speaks."""
    return cut(load_spec())


@pytest.fixture(scope="session")
def prism(node_modules: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prism]:
    """Prism with that document; `url` ends in /v1."""
    folder = tmp_path_factory.mktemp("prism")
    running = Prism(write_v1(load_spec(), folder), folder / "prism.log")
    yield running
    running.stop()


@pytest.fixture(scope="session")
def node(node_modules: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Those who sign webhooks with packages for Node."""
    running = Node(tmp_path_factory.mktemp("signatures") / "signatures.log")
    yield running
    running.stop()


@pytest.fixture
def jackson_sync(node_modules: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jackson]:
    """A fresh Jackson that sends one webhook for each event, within the SCIM call."""
    with Jackson(tmp_path_factory.mktemp("jackson") / "jackson.log") as running:
        yield running


@pytest.fixture
def jackson_batch(node_modules: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jackson]:
    """A fresh Jackson that keeps its events until told to send them, in arrays of up to 5."""
    with Jackson(tmp_path_factory.mktemp("jackson") / "jackson.log", batch=5) as running:
        yield running


@pytest.fixture(params=["sync", "batch"])
def jackson(request: pytest.FixtureRequest) -> Jackson:
    """A fresh Jackson in each of its two modes."""
    running: Jackson = request.getfixturevalue(f"jackson_{request.param}")
    return running


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """An empty GitBook organisation over HTTP, in a thread; look at it, but do not change it from here."""
    started: Future[tuple[Sandbox, Callable[[], object]]] = Future()
    thread = threading.Thread(target=asyncio.run, args=(_serve_sandbox(started),))
    thread.start()
    running, stop = started.result(10)
    try:
        yield running
    finally:
        stop()
        thread.join(10)


async def _serve_sandbox(started: "Future[tuple[Sandbox, Callable[[], object]]]") -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    try:
        async with running_sandbox() as sandbox:
            started.set_result((sandbox, lambda: loop.call_soon_threadsafe(over.set)))
            await over.wait()
    except OSError as error:
        started.set_exception(error)


@pytest.fixture
def scene(jackson: Jackson, sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Jackson, the bridge and the sandbox, each knowing the next; the bridge must end by SIGTERM with 0."""
    bridge = Bridge(tmp_path_factory.mktemp("bridge"), sandbox)
    try:
        yield Scene(jackson, bridge, sandbox)
    finally:
        code = bridge.stop()
    assert jackson.failures() == []
    assert code == 0, bridge.last_words()


@pytest.fixture
async def place() -> AsyncIterator[ScimPlace]:
    """A receiver and a worker, with a SCIM source."""
    async with running_scim() as one:
        yield one
