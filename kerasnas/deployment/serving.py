"""Server of a finished run: its predictions over HTTP, and a page where files are dropped."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from kerasnas import __version__, checks
from kerasnas.annotations import Log
from kerasnas.deployment.predictions import Prediction, classify, finished, predictions_of
from kerasnas.export.classifier import Classifier
from kerasnas.files import storage, untrusted
from kerasnas.modalities.csv_labels import CSV_FILES
from kerasnas.runs.preset_folders import preset_folder
from kerasnas.wording import missing_extra

CARD, DOCKERFILE = "card.md", "Dockerfile"
_MEGABYTE = 2**20
_JSON = "application/json"
_SUFFIXES = (*CSV_FILES, ".npz", ".ts", ".txt")  # read by their name; what images and sounds are, their content says
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src blob:",
    "X-Content-Type-Options": "nosniff",
}
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>KerasNAS</title>
<style>
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem }
label { display: block; border: 2px dashed #888; border-radius: 8px; padding: 2rem; text-align: center }
label:focus-within, label.over { border-color: #2a7 }
table { border-collapse: collapse; width: 100%; margin-top: 1rem } td, th { text-align: left; padding: .3rem }
</style>
<h1>KerasNAS</h1>
<p id="about"></p>
<label>Drop files here, or choose them.<br><input type="file" multiple></label>
<p hidden id="texts">Or a text: <input id="text" size="30"> <button>Predict</button></p>
<p role="status"></p>
<table hidden><thead><tr><th>Sample<th>Prediction<th>Probability</thead><tbody></tbody></table>
<p><a href="card">Model card</a></p>
<script>
const [area, table, status] = ["label", "table", "p[role]"].map(name => document.querySelector(name));
fetch("health").then(answer => answer.json()).then(found => {
  document.querySelector("#about").textContent = `Of ${found.takes}: ${found.classes.join(", ")}`;
  document.querySelector("#texts").hidden = found.takes !== "texts";
});
const row = cells => {
  const line = table.tBodies[0].insertRow();
  for (const cell of cells) line.insertCell().textContent = cell;
  table.hidden = false;
};
const ask = async (name, body, type) => {
  status.textContent = "…";
  const address = "predict?name=" + encodeURIComponent(name);
  const answer = await fetch(address, {method: "POST", body, headers: {"Content-Type": type}});
  const found = await answer.json();
  status.textContent = answer.ok ? "" : `${name}: ${found.detail}`;
  for (const one of found.predictions || [])
    row([one.name, one.label, one.probability === null ? "" : one.probability.toFixed(3)]);
};
const send = async files => { for (const file of files) await ask(file.name, file, "application/octet-stream"); };
document.querySelector("input[type=file]").onchange = event => send(event.target.files);
document.querySelector("button").onclick = () => {
  const text = document.querySelector("#text").value;
  ask(text, JSON.stringify({samples: [text]}), "application/json");
};
area.ondragover = event => { event.preventDefault(); area.classList.add("over"); };
area.ondragleave = () => area.classList.remove("over");
area.ondrop = event => { event.preventDefault(); area.classList.remove("over"); send(event.dataTransfer.files); };
</script></html>
"""
_DOCKERFILE = """# Build and run, in this folder: docker build -t model . && docker run -p 8000:8000 model
FROM python:3.11-slim
RUN pip install --no-cache-dir "kerasnas[serve]=={version}" && useradd --create-home server
COPY . /run
USER server
EXPOSE 8000
CMD ["kerasnas", "serve", "/run", "--host=0.0.0.0", "--port=8000"]
"""


@checks.arguments(folder=checks.path, host=checks.text, megabytes=checks.size)
def serve(
    folder: str | os.PathLike,
    host: str = "127.0.0.1",
    port: int = 8000,
    megabytes: int = 10,
    log: Log = print,
) -> None:
    """Answer predictions over HTTP until Ctrl-C. Needs the extra `kerasnas[serve]`.

    Requests: `POST /predict` with a file of an image or of sound, the lines of a text file, or the rows of a CSV table
    as its body (the last two with `?name=` and a name of their suffix), or with JSON, `{"samples": [...]}`, as the
    model takes them; `GET /health`; `GET /card`, the model card; `GET /`, a page where files are dropped. Answers are
    JSON. What is sent is kept nowhere, and read by the decoders of `kerasnas predict`; no code comes from it.

    Args:
        folder: the run's folder; or a preset, as `kerasnas.load` takes it.
        host: address that is listened at. Defaults to this machine alone.
        port: Defaults to 8000; 0 is any free one.
        megabytes: of a request, at most. Defaults to 10.
        log: called with each line. Defaults to `print`.

    Raises:
        FileNotFoundError: if the run is not finished.
        ModuleNotFoundError: without the extra.
        ValueError: if the port is taken.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise missing_extra("serve", error) from None
    folder = preset_folder(folder)
    card = untrusted.read_text(folder / CARD) if (folder / CARD).exists() else "This run has no card.\n"
    app = application(finished(folder), card, megabytes)
    with contextlib.closing(_listening(host, checks.integer("port", port, least=0, most=65535))) as listener:
        log(f"Serving {folder} at http://{host}:{listener.getsockname()[1]}. Stop it with Ctrl-C.")
        config = uvicorn.Config(app, log_level="warning", access_log=False, ws="none", server_header=False)
        with contextlib.suppress(KeyboardInterrupt):  # how it is stopped
            uvicorn.Server(config).run(sockets=[listener])


def application(classifier: Classifier, card: str = "", megabytes: int = 10) -> Any:
    """Return what `serve` serves, for a server of the user's own: an ASGI application, of Starlette.

    Args:
        classifier: the network.
        card: its model card. Defaults to none.
        megabytes: of a request, at most. Defaults to 10.

    Raises:
        ModuleNotFoundError: without the extra `kerasnas[serve]`.
    """
    try:
        from starlette.applications import Starlette
        from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse
        from starlette.routing import Route
    except ModuleNotFoundError as error:
        raise missing_extra("serve", error) from None
    most, busy = checks.size("megabytes", megabytes) * _MEGABYTE, threading.Lock()

    def refused(status: int, reason: str) -> JSONResponse:
        return JSONResponse({"detail": reason}, status, _HEADERS)

    async def page(request: Any) -> HTMLResponse:
        return HTMLResponse(_PAGE, headers=_HEADERS)

    async def health(request: Any) -> JSONResponse:
        found = {"status": "ok", "classes": list(classifier.classes), "takes": classifier.modality.plural}
        return JSONResponse(found, headers=_HEADERS)

    async def read_card(request: Any) -> PlainTextResponse:
        return PlainTextResponse(card, headers=_HEADERS)

    async def predict(request: Any) -> JSONResponse:
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > most:
                return refused(413, f"Expected at most {megabytes} MB.")
        kind, name = request.headers.get("content-type", ""), request.query_params.get("name", "")
        as_json = kind.partition(";")[0].strip().lower() == _JSON

        def answer() -> dict[str, Any]:
            with busy:  # a network answers one after the other
                return answered(classifier, bytes(body), as_json, name)

        try:
            return JSONResponse(await asyncio.to_thread(answer), headers=_HEADERS)
        except (ValueError, FileNotFoundError) as error:
            return refused(422, str(error))

    predictions = Route("/predict", predict, methods=["POST"])
    return Starlette(routes=[Route("/", page), Route("/health", health), Route("/card", read_card), predictions])


def answered(classifier: Classifier, body: bytes, samples: bool, name: str = "") -> dict[str, Any]:
    """Return the predictions for what a client sent.

    Args:
        classifier: the network.
        body: a file; or JSON, `{"samples": [...]}`.
        samples: whether it is JSON.
        name: of the file; the answer repeats it. Defaults to none.
    """
    if samples:
        found = predictions_of(classifier, *_samples(classifier, body))
    else:
        shown = name or "The file"
        with _as_file(body, name) as path:
            try:
                found, unreadable = classify(classifier, [path])
            except (ValueError, FileNotFoundError) as error:
                raise ValueError(str(error).replace(str(path), shown)) from None
            for reason in unreadable.values():
                raise ValueError(reason.replace(str(path), shown).replace(path.name, shown))
    return {"predictions": [{**row, "name": row["name"] or name} for row in map(_row, found)]}


def write_dockerfile(folder: str | os.PathLike) -> Path:
    """Write a `Dockerfile` beside a finished run, whose container serves it; return its path.

    Raises:
        FileExistsError: if there is another one.
        FileNotFoundError: if the run is not finished.
    """
    folder = Path(preset_folder(folder))
    finished(folder)
    path, text = folder / DOCKERFILE, _DOCKERFILE.format(version=__version__)
    if path.exists() and path.read_text(encoding="utf-8") != text:
        raise FileExistsError(f"There is another {path}. Move it, or remove it.")
    storage.write_text(path, text)
    return path


def _samples(classifier: Classifier, body: bytes) -> tuple[list[str], np.ndarray]:
    """Return names and raw samples of a JSON body. Strings are texts, never paths."""
    rows = untrusted.parse_json(body, dict).get("samples")
    if not isinstance(rows, list) or not rows:
        raise ValueError(checks.invalid("samples", "a list of samples, at least one", rows))
    try:
        x = np.array(rows, object if all(isinstance(row, str) for row in rows) else None)
    except ValueError:
        raise ValueError("Expected samples of one shape.") from None
    return [str(number) for number in range(1, 1 + len(rows))], classifier.samples("samples", x)


@contextlib.contextmanager
def _as_file(body: bytes, name: str) -> Iterator[Path]:
    """Write a body to a file for as long as it is read; of its name, only a known suffix counts."""
    suffix = next((suffix for suffix in _SUFFIXES if name.lower().endswith(suffix)), _SUFFIXES[-1])
    with tempfile.TemporaryDirectory(prefix="kerasnas-") as folder:
        path = Path(folder, f"sample{suffix}")
        path.write_bytes(body)
        yield path


def _row(one: Prediction) -> dict[str, Any]:
    name = "" if isinstance(one.path, Path) else one.path
    return {"name": name, "label": one.label, "probability": one.probability, "probabilities": one.probabilities}


def _listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens at an address; the error for one that is taken names the next."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        another = f" Choose another: --port={port + 1}" if error.errno == errno.EADDRINUSE else ""
        raise ValueError(f"Nothing can listen at {host}:{port}: {error.strerror}.{another}") from None
