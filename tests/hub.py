"""A server on this machine that speaks as a hub does, with one repository whose branch may move."""

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ictconvention.runs.published import places

FIRST, SECOND = "c" * 40, "d" * 40  # commits


@dataclass
class Hub:
    """The repository me/small.

    Parameters
    ----------
    commits : dict of str to mapping of str to bytes
        The files of each commit, by name.
    main : str
        The commit that `main` and `v1` name.
    asked : list of str
        The files that were fetched.
    server : ThreadingHTTPServer, optional
        While it answers.
    """

    commits: dict[str, Mapping[str, bytes]] = field(default_factory=dict)
    main: str = FIRST
    asked: list[str] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def publish(self, folder: Path, commit: str = FIRST) -> None:
        """Let `main` name a new commit, of the files of a folder."""
        self.commits[commit] = {path.name: path.read_bytes() for path in folder.iterdir()}
        self.move(commit)

    def move(self, commit: str) -> None:
        """Let `main` name another commit; what was asked before is forgotten."""
        self.main = commit
        places._fetch.cache_clear()

    def close(self) -> None:
        """Answer no more."""
        places._fetch.cache_clear()
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()
            self.server = None

    def answer(self, path: str) -> tuple[bytes, int, dict[str, str]]:
        """Return the content, status and headers of the answer to a path."""
        match path.partition("?")[0].strip("/").split("/"):
            case ["api", "models", "me", "small", "revision", "main" | "v1"] | ["api", "models", "me", "small"]:
                of = [{"rfilename": name} for name in self.commits[self.main]]
                return json.dumps({"id": "me/small", "sha": self.main, "siblings": of}).encode(), 200, {}
            case ["api", "models", "me", "small", "tree", commit, *_] if commit in self.commits:
                files = self.commits[commit].items()
                tree = [{"type": "file", "path": name, "size": len(x), "oid": _sum(x)} for name, x in files]
                return json.dumps(tree).encode(), 200, {}
            case ["api", "models", "me", "small", "revision", *_]:
                return b"", 404, {"X-Error-Code": "RevisionNotFound"}
            case ["me", "small", "resolve", commit, *parts] if commit in self.commits:
                content = self.commits[commit]["/".join(parts)]
                return content, 200, {"ETag": f'"{_sum(content)}"', "X-Repo-Commit": commit}
            case _:
                return b"", 404, {"X-Error-Code": "RepoNotFound"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Start the hub, and let huggingface_hub ask it and keep its cache here."""
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    found = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Say nothing."""

        def do_HEAD(self) -> None:
            """Answer as to GET, without the content."""
            self.do_GET()

        def do_GET(self) -> None:
            """Answer what is asked of the repository, its tree or a file."""
            content, status, headers = found.answer(self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                if "/resolve/" in self.path:
                    found.asked.append(self.path.rpartition("/")[2])
                self.wfile.write(content)

    found.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=found.server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{found.server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
    )
    places._fetch.cache_clear()
    yield found
    found.close()


def _sum(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()
