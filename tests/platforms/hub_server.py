"""A Hugging Face Hub of this machine: the few addresses that the Hub's own client asks for."""

import base64
import contextlib
import hashlib
import http.server
import json
import re
import threading
from urllib.parse import unquote, urlsplit

import pytest
from huggingface_hub import constants

_REPOSITORY = r"(?P<repository>[\w.-]+/[\w.-]+)"


class LocalHub(http.server.ThreadingHTTPServer):
    """The server; `repositories` is name -> file -> content, and `asked` lists the requests that it has answered."""

    def __init__(self):
        super().__init__(("localhost", 0), _Handler)
        self.repositories, self.asked = {}, []

    @property
    def url(self):
        return f"http://localhost:{self.server_port}"

    def commit(self, repository):
        files = self.repositories[repository]
        return hashlib.sha1(json.dumps({name: _id(files[name]) for name in sorted(files)}).encode()).hexdigest()


class _Handler(http.server.BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        """Print nothing."""

    def do_GET(self):
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path))
        for pattern, answer in (
            (rf"/api/models/{_REPOSITORY}/tree/.*", self.tree),
            (rf"/api/models/{_REPOSITORY}(/revision/(?P<revision>.+))?", self.info),
            (rf"/{_REPOSITORY}/resolve/[^/]+/(?P<name>.+)", self.file),
        ):
            if match := re.fullmatch(pattern, path):
                if match["repository"] not in self.server.repositories:
                    return self.answer(404, b"", {"X-Error-Code": "RepoNotFound"})
                return answer(self.server.repositories[match["repository"]], **match.groupdict())
        return self.answer(404)

    do_HEAD = do_GET

    def info(self, files, repository, revision):
        commit = self.server.commit(repository)
        if revision not in (None, "main", commit):
            return self.answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        return self.json({"id": repository, "sha": commit, "siblings": [{"rfilename": name} for name in files]})

    def tree(self, files, repository):
        rows = [{"type": "file", "path": name, "size": len(data), "oid": _id(data)} for name, data in files.items()]
        return self.json(rows)

    def file(self, files, repository, name):
        found = {"ETag": f'"{_id(files[name])}"', "X-Repo-Commit": self.server.commit(repository)}
        return self.answer(200, files[name], found)

    def do_POST(self):
        path = urlsplit(self.path).path
        self.server.asked.append((self.command, path))
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if path != "/api/validate-yaml" and self.headers.get("Authorization") != "Bearer hf_of_this_test":
            return self.answer(401)
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            return self.json({"url": f"{self.server.url}/{name}"})
        if path == "/api/validate-yaml":
            return self.json({"errors": [], "warnings": []})
        kind, repository = re.fullmatch(r"/api/models/([\w.-]+/[\w.-]+)/(preupload|commit)/main", path).groups()[::-1]
        if kind == "preupload":
            rows = [{"path": one["path"], "uploadMode": "regular"} for one in json.loads(body)["files"]]
            return self.json({"files": [{**row, "shouldIgnore": False} for row in rows]})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                self.server.repositories[repository][line["value"]["path"]] = content
        commit = self.server.commit(repository)
        return self.json({"commitUrl": f"{self.server.url}/{repository}/commit/{commit}", "commitOid": commit})

    def json(self, value):
        self.answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def answer(self, status, body=b"", headers=None):
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _id(data):
    """The name that git has for a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextlib.contextmanager
def local_hub(cache):
    """A server that the client talks to meanwhile, with a cache of its own."""
    server = LocalHub()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    before = constants.ENDPOINT
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", server.url)  # as HF_ENDPOINT sets it when the client is imported
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template.replace(before, server.url))
        patch.setattr(constants, "HF_HUB_CACHE", str(cache))
        patch.setattr(constants, "HF_HUB_OFFLINE", False)
        patch.setenv("HF_TOKEN", "hf_of_this_test")
        yield server
    server.shutdown()
    server.server_close()
    thread.join()
