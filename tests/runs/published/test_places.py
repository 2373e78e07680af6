"""A run that is named by a hub or is the demo: fetched once from a server that speaks as a hub does, or refused."""

import hashlib
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ictconvention.core.errors import FileSystemError, UsageError
from ictconvention.runs.published import places
from ictconvention.runs.published.places import DEMO_DIGEST, DEMO_FOLDER, is_demo, locate_run
from ictconvention.runs.run_folder import RunFolder
from tests.refusals import refused

COMMIT = "c" * 40
FILES = {"README.md": b"# a card\n", "config.json": b"{}\n", "deep/model.safetensors": b"\x00\x01" * 500}


class Hub(BaseHTTPRequestHandler):
    """One repository, me/small, with one commit, on main and on v1."""

    def log_message(self, format: str, *arguments: object) -> None:
        """Say nothing."""

    def do_HEAD(self) -> None:
        """Answer as to GET, without the content."""
        self.do_GET()

    def do_GET(self) -> None:
        """Answer what is asked of the repository, its tree or a file."""
        asked = self.path.partition("?")[0].strip("/").split("/")
        match asked:
            case ["api", "models", "me", "small", "revision", "main" | "v1"] | ["api", "models", "me", "small"]:
                of = [{"rfilename": name} for name in FILES]
                self.answer(json.dumps({"id": "me/small", "sha": COMMIT, "siblings": of}).encode())
            case ["api", "models", "me", "small", "tree", *_]:
                tree = [{"type": "file", "path": name, "size": len(x), "oid": _sum(x)} for name, x in FILES.items()]
                self.answer(json.dumps(tree).encode())
            case ["api", "models", "me", "small", "revision", *_]:
                self.answer(b"", 404, {"X-Error-Code": "RevisionNotFound"})
            case ["me", "small", "resolve", _, *parts] if (name := "/".join(parts)) in FILES:
                self.answer(FILES[name], 200, {"ETag": f'"{_sum(FILES[name])}"', "X-Repo-Commit": COMMIT})
            case _:
                self.answer(b"", 404, {"X-Error-Code": "RepoNotFound"})

    def answer(self, content: bytes, status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Send an answer."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(content)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def _sum(content: bytes) -> str:
    return hashlib.sha1(content, usedforsecurity=False).hexdigest()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    """Start the hub, and let huggingface_hub ask it and keep its cache here."""
    pytest.importorskip("huggingface_hub", reason="needs the extra [hub]")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        f"http://127.0.0.1:{server.server_port}/{{repo_id}}/resolve/{{revision}}/{{filename}}",
    )
    places._fetch.cache_clear()
    yield server
    places._fetch.cache_clear()
    server.shutdown()
    server.server_close()


def test_a_repository_of_a_hub_is_fetched_once(hub: ThreadingHTTPServer) -> None:
    folder = locate_run("hf://me/small")
    assert {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    } == FILES
    assert folder.name == COMMIT
    assert locate_run(Path("hf://me/small@v1")) == folder  # as a path, which has lost a stroke
    with refused(UsageError, "E-RUN-MISSING", "v2", where="hf://me/small@v2"):
        locate_run("hf://me/small@v2")
    with refused(UsageError, "E-RUN-MISSING", where="hf://me/other"):
        locate_run("hf://me/other")
    hub.shutdown()
    hub.server_close()
    places._fetch.cache_clear()
    assert locate_run("hf://me/small") == folder  # offline, from the cache
    with refused(FileSystemError, "E-SERVER-FAILS", where="hf://me/another"):
        locate_run("hf://me/another")


def test_what_names_no_repository_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("hf://small", "hf://", "hf:me", "hf://a/b/c"):
        with refused(UsageError, "E-COMMAND-VALUE"):
            locate_run(name)
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    places._fetch.cache_clear()
    with refused(UsageError, "E-PACKAGE-MISSING", "hub", where="hf://me/small"):
        locate_run("hf://me/small")
    assert locate_run("runs/mine") == Path("runs/mine")


def test_a_folder_called_demo_wins_and_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_demo(locate_run("demo"))
    assert not caplog.messages
    (tmp_path / "demo").mkdir()
    assert locate_run("demo") == Path("demo")
    assert str(tmp_path / "demo") in caplog.messages[0]


def test_the_demo_is_the_one_that_this_code_names(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = locate_run("demo")
    assert hashlib.sha256((folder / "config.json").read_bytes()).hexdigest() == DEMO_DIGEST
    assert RunFolder(folder).last_weights() == folder / "model.safetensors"  # all its files have been compared
    assert sum(path.stat().st_size for path in DEMO_FOLDER.iterdir()) < 2_000_000
    assert "simulated" in (folder / "README.md").read_text()
    monkeypatch.setattr(places, "DEMO_FOLDER", tmp_path)
    with refused(UsageError, "E-RUN-DAMAGED", where=tmp_path):
        locate_run("demo")
