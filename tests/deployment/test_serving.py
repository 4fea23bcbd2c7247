"""The server of a run: what clients send, and what they send by mistake or by malice."""

import contextlib
import http.client
import io
import json
import socket
import sys
import threading

import keras
import numpy as np
import pytest
import uvicorn
from PIL import Image

from kerasnas import cli
from kerasnas.deployment import serving
from kerasnas.modalities import Texts
from kerasnas.modalities.fronts import Vocabulary
from tests.deployment.test_predictions import CLASSES, brightness_network
from tests.kit import finished_run


def png(value):
    file = io.BytesIO()
    Image.new("RGB", (12, 8), (value, value, value)).save(file, "PNG")
    return file.getvalue()


@contextlib.contextmanager
def serving_of(folder, **options):
    """A server in a thread; a function that asks it and returns status, content type and content."""
    said, servers, begin = [], [], uvicorn.Server.__init__

    def created(server, config):
        servers.append(server)
        begin(server, config)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(uvicorn.Server, "__init__", created)
        arguments = {"port": 0, "log": said.append, **options}
        thread = threading.Thread(target=serving.serve, args=(folder,), kwargs=arguments)
        thread.start()
        while not (servers and servers[0].started):
            assert thread.is_alive()
            thread.join(0.01)
    port = int(said[0].split(":")[-1].split(".")[0])

    def ask(method, path, body=None, kind="application/octet-stream"):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection.request(method, path, body, {"Content-Type": kind})
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    yield ask
    servers[0].should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = finished_run(tmp_path_factory.mktemp("served") / "run", brightness_network(), CLASSES, 255)
    (folder / "card.md").write_text("# Brightness")
    return folder


@pytest.fixture(scope="module")
def ask(run):
    with serving_of(run, megabytes=1) as ask:
        yield ask


def test_an_image_and_samples_are_answered_as_by_predict(ask):
    status, _, content = ask("POST", "/predict?name=photo.png", png(250))
    (one,) = json.loads(content)["predictions"]
    assert status == 200 and one["label"] == "bright" and one["name"] == "photo.png"
    assert one["probability"] == one["probabilities"]["bright"] > 0.9 and set(one["probabilities"]) == set(CLASSES)
    samples = json.dumps({"samples": np.stack([np.full((4, 6, 3), value) for value in (250, 10)]).tolist()})
    status, _, content = ask("POST", "/predict", samples, "application/json; charset=utf-8")
    assert [row["label"] for row in json.loads(content)["predictions"]] == ["bright", "dark"]


def test_page_health_and_card(ask):
    assert json.loads(ask("GET", "/health")[2]) == {"status": "ok", "classes": [*CLASSES], "takes": "images"}
    assert ask("GET", "/card")[2] == "# Brightness"
    status, headers, page = ask("GET", "/")
    assert status == 200 and "innerHTML" not in page and "http" not in page.lower()  # names are text; nothing is loaded
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")


@pytest.mark.parametrize(
    ("body", "kind", "status", "words"),
    [
        (b"no image", "image/png", 422, "cannot be read as an image"),
        (b"", "image/png", 422, "cannot be read as an image"),
        (b"x" * (2**20 + 1), "image/png", 413, "at most 1 MB"),
        (b"[" * 50_000, "application/json", 422, "nested too deep"),
        (b'{"samples": []}', "application/json", 422, "at least one"),
        (b'{"samples": [[1], [1, 2]]}', "application/json", 422, "one shape"),
        (b'{"samples": [[[NaN]]]}', "application/json", 422, "`samples`"),
        (b'{"samples": ["/etc/passwd"]}', "application/json", 422, "`samples`"),  # a path is none
        (b"[1]", "application/json", 422, "Expected JSON of an object"),
    ],
)
def test_what_cannot_be_read_is_answered_in_one_line(ask, body, kind, status, words):
    got, _, content = ask("POST", "/predict?name=../../x.png", body, kind)
    detail = json.loads(content)["detail"]
    assert got == status and words in detail and "\n" not in detail and "/tmp" not in detail
    assert ask("GET", "/health")[0] == 200


def test_texts_are_texts(tmp_path):
    front = Vocabulary(["good", "bad"], length=2)
    network = keras.Sequential([keras.Input((front.length,)), keras.layers.Dense(2, kernel_initializer="zeros")])
    folder = finished_run(tmp_path / "run", network, ("bad", "good"), front=front, modality=Texts())
    with serving_of(folder) as ask:
        for body, kind in (
            (b'{"samples": ["/etc/passwd", "good"]}', "application/json"),
            (b"good\nbad\n", "text/plain"),
        ):
            status, _, content = ask("POST", "/predict", body, kind)
            assert status == 200 and len(json.loads(content)["predictions"]) == 2


def test_a_port_that_is_taken_and_an_address_of_no_machine(run, capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"127.0.0.1:{port}: Address already in use.*--port={port + 1}"):
            serving.serve(run, port=port)
    with pytest.raises(ValueError, match=r"Nothing can listen at 203\.0\.113\.1:0"):
        serving.serve(run, host="203.0.113.1", port=0)


@pytest.mark.parametrize(
    ("package", "use"), [("uvicorn", serving.serve), ("starlette.routing", lambda run: serving.application(None))]
)
def test_without_a_package_the_extra_is_named(package, use, run, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'kerasnas\[serve\]'"):
        use(run)


def test_a_dockerfile_is_written_once_and_no_other_overwritten(run, capsys):
    path = serving.write_dockerfile(run)
    assert 'pip install --no-cache-dir "kerasnas[serve]==' in path.read_text() and serving.write_dockerfile(run) == path
    path.write_text("FROM mine")
    assert cli.main(["serve", str(run), "--dockerfile"]) == 2
    assert "There is another" in capsys.readouterr().err and path.read_text() == "FROM mine"
    path.unlink()
