"""The Science Archive Server: where its files lie, and how they are fetched: politely, again after a failure, whole.

Addresses are those of data release 17. A file is there whole, checked and readable, or not at all.
"""

import http.client
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import new
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn, TypeVar
from urllib.parse import urlsplit

from ictconvention.core.atomic import whole_file
from ictconvention.core.errors import FileSystemError, UsageError, readable_os_errors
from ictconvention.core.plain_file import read_plain
from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.sdss.fields import Field

SERVER = "https://data.sdss.org/sas/dr17/eboss"
LARGEST_FILE = 2**26  # bytes; a frame has 4 million
PIECE = 2**16  # bytes read at once
SLOWEST = 10  # times the timeout, that a whole file may take
LONGEST_WAIT = 300.0  # [s] that a server may ask for
GONE = (404, 410)
AGAIN = (408, 425, 429, 500, 502, 503, 504)
DIGESTS = {32: "md5", 40: "sha1", 64: "sha256"}  # by the letters of a checksum
Content = TypeVar("Content")


class MissingFileError(UnreadableError):
    """The archive has no such file."""


class DamagedFileError(UnreadableError):
    """The archive gave a file again and again that is not what it should be."""


class _TryAgainError(Exception):
    """A try failed; the text says why. `wait` is what the server asks for [s]."""

    def __init__(self, reason: str, wait: float = 0.0, damaged: bool = False) -> None:
        super().__init__(reason)
        self.wait = wait
        self.damaged = damaged


def frame_path(field: Field, band: str) -> str:
    """Return where the archive has the calibrated frame of a field in a band."""
    return f"photoObj/frames/{field.rerun}/{field.run}/{field.camcol}/frame-{band}-{field.name}.fits.bz2"


def psf_path(field: Field) -> str:
    """Return where the archive has the point spread function of a field."""
    return f"photo/redux/{field.rerun}/{field.run}/objcs/{field.camcol}/psField-{field.name}.fit"


def mask_path(field: Field, band: str) -> str:
    """Return where the archive has the mask of a frame."""
    name = f"fpM-{field.run:06d}-{band}{field.camcol}-{field.field:04d}.fit.gz"
    return f"photo/redux/{field.rerun}/{field.run}/objcs/{field.camcol}/{name}"


@dataclass(frozen=True)
class Archive:
    """A server and how it is asked.

    Parameters
    ----------
    server : str
        Address that the files' paths follow.
    folder : Path
        Where files are kept while they are needed.
    timeout : float
        Wait for an answer [s]; a whole file may take `SLOWEST` times as long.
    delay : float
        Pause after each file [s].
    tries : int
        How often a file is asked for; the waits between grow from 1 second by a factor of 2.
    checksums : mapping
        MD5, SHA-1 or SHA-256 of files by their names, where they are known.

    Raises
    ------
    UsageError
        The address is none of the web, or a number is out of range.
    """

    server: str
    folder: Path
    timeout: float = 60.0
    delay: float = 0.2
    tries: int = 5
    checksums: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        parts = urlsplit(self.server)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            found = f"--server is {self.server!r}"
            raise UsageError(found, "options of ingest sdss", f"give an address such as {SERVER}", "E-COMMAND-VALUE")
        if not (self.timeout > 0 and self.delay >= 0 and self.tries >= 1):
            found = f"timeout is {self.timeout:g}, delay {self.delay:g}, tries {self.tries}"
            raise UsageError(found, "options of ingest sdss", "give seconds, and a try or more", "E-COMMAND-VALUE")

    def read(self, path: str, reader: Callable[[Path], Content]) -> Content:
        """Fetch a file, if it is not here yet, and read it.

        Parameters
        ----------
        path : str
            Where the archive has it.
        reader : function
            Reads it; an `UnreadableError` means that it is damaged, and is fetched again.

        Raises
        ------
        MissingFileError
            The archive has no such file.
        DamagedFileError
            It cannot be read, however often it is fetched.
        FileSystemError
            The server does not answer, or the disk does not allow it.
        """
        local = self.local(path)
        if local.exists():
            try:
                return reader(local)
            except UnreadableError:
                local.unlink(missing_ok=True)
        for number in range(self.tries):
            try:
                self._fetch(path)
                return self._checked(path, reader)
            except _TryAgainError as error:
                failure = error
                if number + 1 < self.tries:
                    time.sleep(max(2.0**number, min(error.wait, LONGEST_WAIT)))
        address = self.address(path)
        if failure.damaged:
            raise DamagedFileError(f"{address}: {failure}, {self.tries} times")
        found = f"the server gives no file, {self.tries} times: {failure}"
        fix = "check the connection and --server, then run the same command again: finished fields are kept"
        raise FileSystemError(found, address, fix, "E-SERVER-FAILS")

    def local(self, path: str) -> Path:
        """Return where a file lies on this machine."""
        return self.folder / path.rpartition("/")[2]

    def remove(self, path: str) -> None:
        """Remove a file from this machine."""
        self.local(path).unlink(missing_ok=True)

    def address(self, path: str) -> str:
        """Return the address of a file."""
        return f"{self.server.rstrip('/')}/{path}"

    def _checked(self, path: str, reader: Callable[[Path], Content]) -> Content:
        try:
            return reader(self.local(path))
        except UnreadableError as error:
            self.remove(path)
            raise _TryAgainError(str(error), damaged=True) from error

    def _fetch(self, path: str) -> None:
        content = self._content(self.address(path))
        name = path.rpartition("/")[2]
        if (wanted := self.checksums.get(name)) and new(DIGESTS[len(wanted)], content).hexdigest() != wanted:
            raise _TryAgainError(f"its checksum is not {wanted}", damaged=True)
        with readable_os_errors("making the cache", self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with whole_file(self.local(path), f"keeping {name}") as partial:
            partial.write_bytes(content)

    def _content(self, address: str) -> bytes:
        """Return what the server has at an address; memory holds a file, so that the disk never has a part of one."""
        agent = f"ictconvention/{version('ictconvention')}"
        request = urllib.request.Request(address, headers={"User-Agent": agent})
        try:
            with urllib.request.urlopen(request, timeout=self.timeout) as answer:
                _refuse_page(answer, address)
                content = self._body(answer)
        except urllib.error.HTTPError as error:
            with error:
                self._refused(error, address)
        except (http.client.HTTPException, OSError) as error:  # of the network: URLError and timeouts are such
            reason = getattr(error, "reason", None) or error
            raise _TryAgainError(str(reason) or type(error).__name__) from error
        finally:
            time.sleep(self.delay)
        return content

    def _refused(self, error: urllib.error.HTTPError, address: str) -> NoReturn:
        if error.code in GONE:
            raise MissingFileError("the archive has no such file") from error
        if error.code in AGAIN:
            asked = str(error.headers.get("Retry-After", ""))
            raise _TryAgainError(f"{error.code} {error.reason}", float(asked) if asked.isdigit() else 0.0) from error
        found = f"the server refuses: {error.code} {error.reason}"
        raise FileSystemError(found, address, "check --server and what it allows", "E-SERVER-FAILS") from error

    def _body(self, answer: http.client.HTTPResponse) -> bytes:
        until, pieces, size = time.monotonic() + SLOWEST * self.timeout, [], 0
        while piece := answer.read1(PIECE):
            pieces.append(piece)
            size += len(piece)
            if size > LARGEST_FILE:
                raise _TryAgainError(f"it has more than {LARGEST_FILE} bytes", damaged=True)
            if time.monotonic() > until:
                raise _TryAgainError(f"it comes too slowly: {size} bytes in {SLOWEST * self.timeout:g} s")
        promised = answer.headers.get("Content-Length", "")
        if promised.isdigit() and int(promised) != size:
            raise _TryAgainError(f"it is cut off: {size} of {promised} bytes came")
        return b"".join(pieces)


def _refuse_page(answer: http.client.HTTPResponse, address: str) -> None:
    """Refuse a web page that is given as though it were the file: of a login, a proxy or an archive that has moved."""
    if answer.headers.get_content_type() == "text/html":
        place = f", at {there}" if (there := answer.geturl()) != address else ""
        fix = "open the address in a browser: it may ask for a login, or the archive has moved (--server)"
        raise FileSystemError(f"the server gives a web page and no file{place}", address, fix, "E-SERVER-FAILS")


def read_checksums(path: Path) -> dict[str, str]:
    """Read lines of a checksum and a name, as `sha1sum` writes them and the archive has in its folders.

    Raises
    ------
    UsageError
        A line is something else.
    FileSystemError
        The file cannot be read.
    """
    with readable_os_errors("reading the checksums", path):
        text = read_plain(path).decode("utf-8", "replace")
    sums = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9a-fA-F]+)\s+\*?(\S+)\s*", line)
        if match is None or len(match[1]) not in DIGESTS:
            fix = "give lines as sha1sum, md5sum or sha256sum write them"
            raise UsageError("no checksum and name", f"{path}, line {number}", fix, "E-VALUE-TYPE")
        sums[Path(match[2]).name] = match[1].lower()
    return sums
