"""What a watch leaves: whole files of rows, the rejects, and which stream they are of; and rows to another topic.

OUT/watch.json                       how the alerts are read, and the group that reads them
OUT/predictions-00000012.parquet     a row for each new detection of a batch
OUT/rejects.csv                      what could not be used: object, place in the stream, reason
OUT/state/                           the series of all objects
"""

import csv
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from astropy.table import Table

from ictconvention.applying.prediction_table import save_table
from ictconvention.applying.watching.address import Address
from ictconvention.applying.watching.topic import ANSWER, FIX, quiet, unanswered
from ictconvention.core.atomic import sync, whole_file
from ictconvention.core.errors import FileSystemError, UsageError, readable_os_errors
from ictconvention.core.output_place import check_outside
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.rejects import COLUMNS
from ictconvention.reading.json_file import JsonRecord

RECORD, STATE, REJECTS = "watch.json", "state", "rejects.csv"
HISTORY = "survey"  # of the record: that which has frames from before the stream
TOPICS = "topics"  # of the record: those that were begun
FORMAT, VERSION = "ictconvention watch", 2
READ = JsonRecord(dict[str, Any], UsageError, "E-STREAM-STATE", "restore it from a copy", "a record of a watch")
DIGITS = 8  # of the number of a file of rows


class WatchFolder:
    """The folder of a watch, which its process holds: see `make_folder`.

    Parameters
    ----------
    path : Path
        Made where it does not exist.
    settings : mapping
        How alerts are read, in plain values.
    group : str, optional
        Name under which brokers keep how far the stream was read; by default a new one, kept in the folder.

    Raises
    ------
    UsageError
        The folder is of a watch that reads alerts otherwise, holds other things, or lies in a survey or a run.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any], group: str | None = None) -> None:
        self.path = path
        make_folder(path)
        with readable_os_errors("reading the folder", path):
            strange = [one.name for one in path.iterdir() if not one.name.startswith(".")]
        file = path / RECORD
        if not file.exists():
            if strange:
                fix = "give a new folder, or the one of an earlier watch"
                raise UsageError(f"this folder holds {sorted(strange)[0]}", path, fix, "E-FILES-EXISTS")
            self.group = group or f"ictconvention-{uuid4().hex[:12]}"
            self._record: dict[str, Any] = {
                "format": FORMAT,
                "version": VERSION,
                "group": self.group,
                "alerts": dict(settings),
            }
            self._record[TOPICS] = []
            self._write()
            return
        record = READ.read(file)
        before = record.get("alerts")
        if record.get("format") != FORMAT or not isinstance(before, dict):
            raise UsageError("this is no record of a watch", file, "restore it from a copy", "E-STREAM-STATE")
        if record.get("version") != VERSION:
            found = (
                f"another version of ictconvention has written this folder ({record.get('version')}, here {VERSION})"
            )
            raise UsageError(found, file, "watch into a new folder, from the oldest alert on", "E-STREAM-STATE")
        if differ := [name for name in settings if before.get(name) != settings[name]]:
            name = differ[0]
            found = f"what is here was read with {name} {before.get(name)}, and now it is {settings[name]}"
            raise UsageError(found, path, "give the same, or a new folder", "E-COMMAND-CONFLICT")
        self.group = group or str(record.get("group"))
        self._record = record

    def note_survey(self, survey: Path | None) -> str | None:
        """Keep which survey has frames from before; return a warning where only an earlier start had one."""
        before = self._record.get(HISTORY)
        if survey is None:
            return (
                before and f"an earlier start had --survey {before}: objects that are new from now on begin without it"
            )
        if before != str(survey):
            self._record[HISTORY] = str(survey)
            self._write()
        return None

    def has_begun(self, topic: str) -> bool:
        """Return whether a topic was read from already, whatever the brokers remember of it."""
        topics = self._record.get(TOPICS)
        return not isinstance(topics, list) or topic in topics  # a record without them: nothing shall be skipped

    def begin(self, topic: str) -> None:
        """Keep that a topic is read."""
        if not self.has_begun(topic):
            self._record[TOPICS] = [*self._record.get(TOPICS, []), topic]
            self._write()

    def _write(self) -> None:
        with whole_file(self.path / RECORD, "keeping how the stream is read", record=True) as partial:
            partial.write_text(json.dumps(self._record, indent=2) + "\n", encoding="utf-8")

    @property
    def state(self) -> Path:
        """Folder of the series."""
        return self.path / STATE

    def rows(self, number: int) -> Path:
        """Return the file of the rows of a batch."""
        return self.path / f"predictions-{number:0{DIGITS}d}.parquet"

    def save_rows(self, table: Table, number: int) -> None:
        """Write the rows of a batch, whole or not at all, under a hidden name until the batch is done."""
        save_table(table, self._hidden(number))

    def publish_rows(self, number: int) -> None:
        """Give the rows of a batch that is done their name, if there are any.

        Raises
        ------
        UsageError
            There is a file of this name.
        """
        hidden = self._hidden(number)
        with readable_os_errors("saving the rows", self.rows(number)):
            if not hidden.exists():
                return
            if self.rows(number).exists():
                raise self._taken(number)
            hidden.replace(self.rows(number))
            sync(self.path)

    def settle_rows(self, following: int, is_done: Callable[[int], bool]) -> None:
        """Publish what a killed process left hidden of batches that are done, and remove the others.

        Raises
        ------
        UsageError
            There are rows of a batch that is still to come, the number `following` or later: the state was removed.
        """
        for path in sorted(self.path.glob(".predictions-[0-9]*.parquet")):
            if is_done(number := _number(path)):
                self.publish_rows(number)
            else:
                with readable_os_errors("removing rows of a batch that was not done", path):
                    path.unlink()
        for path in self.path.glob("predictions-[0-9]*.parquet"):
            if (number := _number(path)) >= following:
                raise self._taken(number)

    def _hidden(self, number: int) -> Path:
        return self.rows(number).with_name(f".{self.rows(number).name}")

    def _taken(self, number: int) -> UsageError:
        found = f"batch {number} is still to come, and a file of its name is there: state/ was removed, or is older"
        fix = "restore state/, move the files of rows elsewhere, or watch into a new folder"
        return UsageError(found, self.rows(number), fix, "E-STREAM-STATE")


def make_folder(path: Path) -> None:
    """Make the folder of a watch, so that it can be held before anything in it is read or written.

    Raises
    ------
    UsageError
        It lies in a survey or a run.
    """
    check_outside(path, "watching a stream")
    with readable_os_errors("making the folder", path):
        path.mkdir(parents=True, exist_ok=True)


def _number(path: Path) -> int:
    digits = path.stem.rpartition("-")[2]
    return int(digits) if digits.isdecimal() else 0


class RejectsFile:
    """The table of what could not be used, which grows; each place of the stream stands in it once.

    A last line that a killed process left unfinished is removed.

    Parameters
    ----------
    folder : Path
        Of the watch.

    Raises
    ------
    UsageError
        There is another file of its name.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / REJECTS
        self._known = set[tuple[str, ...]]()
        with readable_os_errors("reading the rejects", self.path):
            if not self.path.exists():
                return
            content = self.path.read_bytes()
            if content[: content.rfind(b"\n") + 1] != content:
                with self.path.open("r+b") as file:
                    file.truncate(content.rfind(b"\n") + 1)
            rows = list(csv.reader(content[: content.rfind(b"\n") + 1].decode("utf-8", "replace").splitlines()))
        if rows and tuple(rows[0]) != COLUMNS:
            found = f"rejects are written to {REJECTS}, and a file of this name is something else"
            raise UsageError(found, self.path, "move this file", "E-FILES-PROTECTED")
        self._known = {tuple(row) for row in rows[1:]}

    def add(self, rejects: Sequence[Reject]) -> int:
        """Write those that do not stand there yet to the disk, and return their number."""
        rows = [
            (one.object, one.file, " ".join(one.reason.split())) for one in rejects
        ]  # a line each, so that a torn one is seen
        new = [row for row in dict.fromkeys(rows) if row not in self._known]
        if not new:
            return 0
        with (
            readable_os_errors("saving the rejects", self.path),
            self.path.open("a", newline="", encoding="utf-8") as file,
        ):
            writer = csv.writer(file, lineterminator="\n")
            if not file.tell():
                writer.writerow(COLUMNS)
            writer.writerows(new)
            file.flush()
            os.fsync(file.fileno())
        self._known.update(new)
        return len(new)


class RowsTopic:
    """A topic that rows go to, each as JSON under the id of its object.

    Parameters
    ----------
    address : Address
        Where it is.
    settings : mapping
        Further settings of librdkafka.

    Raises
    ------
    FileSystemError
        No broker answers.
    """

    def __init__(self, address: Address, settings: Mapping[str, str]) -> None:
        from confluent_kafka import KafkaException, Producer

        self.address = address
        usual: dict[str, Any] = {"bootstrap.servers": address.servers, "acks": "all", "enable.idempotence": True}
        try:
            self._producer = Producer({**usual, "client.id": "ictconvention", **settings}, logger=quiet)
            self._producer.list_topics(timeout=ANSWER)
        except KafkaException as error:
            raise unanswered(error, address) from error

    def send(self, table: Table) -> None:
        """Send the rows of a table, and wait until the brokers have all.

        Raises
        ------
        FileSystemError
            They do not take one.
        """
        from confluent_kafka import KafkaException

        failed: list[Any] = []

        def told(error: Any, message: Any) -> None:
            if error is not None:
                failed.append(error)

        for row in table:
            content = {name: _plain(row[name]) for name in table.colnames}
            text = json.dumps(content, allow_nan=False).encode()
            try:
                while not self._taken(str(row["id"]).encode(), text, told):
                    self._producer.poll(0.1)
            except KafkaException as error:
                raise unanswered(error, self.address) from error
        left = self._producer.flush(6 * ANSWER)
        if failed:
            raise unanswered(KafkaException(failed[0]), self.address)
        if left:
            raise FileSystemError(f"{left} rows were not taken in time", str(self.address), FIX, "E-SERVER-FAILS")

    def _taken(self, key: bytes, text: bytes, told: Any) -> bool:
        try:
            self._producer.produce(self.address.topic, value=text, key=key, on_delivery=told)
        except BufferError:  # its queue is full for a moment
            return False
        return True


def _plain(value: Any) -> Any:
    """Return a value of a row, or a list, as JSON knows it; NaN is none."""
    value = value.tolist() if hasattr(value, "tolist") else value  # of a number of numpy, a plain one
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
