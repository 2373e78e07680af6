"""Watch a stream: batch after batch is read, predicted, written, and only then committed.

The order is what makes it lose nothing: frames are kept, rows go to the other topic, then to a hidden file, the batch
is marked as done, the file gets its name, and last the offsets are committed. Whoever is killed leaves a batch that is
read again, or one that is done, whose alerts are known when they come again.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from astropy.table import Table, vstack

from ictconvention.applying.class_shares import choose_shares
from ictconvention.applying.combine import combine
from ictconvention.applying.predict import PredictOptions, predict_survey
from ictconvention.applying.prediction_table import OF_OBJECTS, check_names, prediction_table
from ictconvention.applying.watching.address import Address
from ictconvention.applying.watching.batch import read_batch, survey_of_batch
from ictconvention.applying.watching.history import History
from ictconvention.applying.watching.kind import AlertKind
from ictconvention.applying.watching.output import RejectsFile, RowsTopic, WatchFolder, make_folder
from ictconvention.applying.watching.packets import Packets, Schemas
from ictconvention.applying.watching.series import CANDIDATE, KnownSeries
from ictconvention.applying.watching.topic import Message, Topic
from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import UsageError
from ictconvention.ingestion.found import Reject
from ictconvention.ingestion.rubin.alert import MOVING
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.survey import Survey

LEAST_WITHOUT = 3  # objects in a row without a number, which are no chance where there are no others
FIRST = ("candidate", "id", "mjd", "place")  # columns before those of a prediction


@dataclass(frozen=True)
class WatchOptions:
    """How a stream is watched.

    Parameters
    ----------
    batch, seconds : int, float
        A batch is so many messages, or what came in so many seconds after the first of them.
    prior : str
        Class shares: "train", "uniform", or a file.
    until_idle : float, optional
        Seconds without a message after which the watch ends, if none waits; None: it does not.
    max_lag : int, optional
        Messages that may wait before a warning.
    newest : bool
        Whether a topic that the folder has not begun is begun with what comes from now on.
    group : str, optional
        Name under which the brokers keep how far the stream was read.
    batch_size : int
        Objects that the network takes at once.
    """

    batch: int = 1000
    seconds: float = 10.0
    prior: str = "train"
    until_idle: float | None = None
    max_lag: int | None = None
    newest: bool = False
    group: str | None = None
    batch_size: int = 64

    def __post_init__(self) -> None:
        where = "options of watch"
        if self.batch < 1 or self.batch_size < 1 or not 0 < self.seconds < np.inf:
            found = f"batch is {self.batch}, batch-size {self.batch_size}, seconds {self.seconds:g}"
            raise UsageError(found, where, "give at least one of each, and some time", "E-COMMAND-VALUE")
        if (self.max_lag is not None and self.max_lag < 0) or (self.until_idle is not None and not self.until_idle > 0):
            found = f"max-lag is {self.max_lag}, until-idle {self.until_idle}"
            raise UsageError(found, where, "give a number from 0, and seconds above 0", "E-COMMAND-VALUE")
        if self.prior == "estimate":
            fix = "give train, uniform or a file; `predict` estimates them from a whole survey"
            raise UsageError("class shares are not estimated from a batch", "--prior", fix, "E-COMMAND-VALUE")


@dataclass
class Metrics:
    """What a watch has done since it began, and how far behind the stream it is.

    Parameters
    ----------
    alerts, rows, duplicates, rejected, moving, left_out : int
        Alerts that were read; rows written; alerts that were known; rejects; moving sources, and what was left out by
        choice, such as other bands, which are none.
    seconds : float
        Since the first message.
    lag : int or None
        Messages that wait.
    """

    alerts: int = 0
    rows: int = 0
    duplicates: int = 0
    rejected: int = 0
    moving: int = 0
    left_out: int = 0
    seconds: float = 0.0
    lag: int | None = None

    def __str__(self) -> str:
        rate = self.alerts / self.seconds if self.seconds > 0 else 0.0
        waiting = "unknown" if self.lag is None else self.lag
        return (
            f"alerts={self.alerts} rows={self.rows} duplicates={self.duplicates} rejected={self.rejected} "
            f"moving={self.moving} left_out={self.left_out} rate={rate:.1f}/s lag={waiting}"
        )


class Watch:
    """The runs, the folder and what is known of the stream; `take` does a batch.

    Parameters
    ----------
    runs : sequence of TrainedRun
        A run, or the runs of one model of a sweep.
    kind : AlertKind
        Whose alerts they know.
    folder : WatchFolder
        Where everything goes; this process alone writes there, see `watch`.
    schema : Path, optional
        See `Schemas`.
    options : WatchOptions
        How it is watched.
    rows_topic : RowsTopic, optional
        Where rows go as well.
    survey : Survey, optional
        Which has frames of the objects from before the stream.
    """

    def __init__(
        self,
        runs: Sequence[TrainedRun],
        kind: AlertKind,
        folder: WatchFolder,
        schema: Path | None,
        options: WatchOptions,
        rows_topic: RowsTopic | None = None,
        survey: Survey | None = None,
    ) -> None:
        self.runs, self.kind, self.folder, self.options, self.rows_topic = runs, kind, folder, options, rows_topic
        self.packets = Packets(Schemas(schema, kind.survey))
        self.rejects = RejectsFile(folder.path)
        self.with_points = any(run.spec.points for run in runs)
        self.history = None if survey is None else History(survey, kind)
        self.known = KnownSeries(folder.state, self.with_points)
        folder.settle_rows(self.known.next, self.known.is_done)
        self._without = set[str]()  # objects without a number, since there was one
        self.metrics = Metrics()
        check_names(runs, (*FIRST, *OF_OBJECTS))

    def take(self, messages: Sequence[Message]) -> None:
        """Read, predict and write a batch; when it returns, its rows are on the disk."""
        read = read_batch(messages, self.packets, self.kind, self.known, self.history)
        table = None
        brings = read.new.lines.num_rows + read.new.points.num_rows > 0
        number = self.known.next
        if brings:
            self.known.prepare(read.pixels, read.new)
            survey, lines = survey_of_batch(read, self.known, self.kind, self.with_points)
            if survey is not None:
                objects = {*lines.column("id").to_pylist()}
                table, lines = self._predict(survey, lines, read.rejects)
                self._without = self._without | objects if table is None else set()
                if len(self._without) >= LEAST_WITHOUT:
                    found = f"the networks give no number for any of {len(self._without)} objects in a row"
                    fix = "the weights have diverged: watch by another run"
                    raise UsageError(found, self.runs[0].folder, fix, "E-NETWORK-NAN")
            if table is not None:
                table.rename_column("id", FIRST[0])
                table[FIRST[0]] = lines.column(CANDIDATE).to_numpy()
                for place, name in enumerate(FIRST[1:], 1):
                    column = lines.column("file" if name == "place" else name)
                    table.add_column(np.array(column.to_pylist()), index=place, name=name)
        rejects = [one for one in read.rejects if one.reason != MOVING and one.flaw]
        moving = sum(one.reason == MOVING for one in read.rejects)
        self.metrics.rejected += self.rejects.add(rejects)
        if table is not None:
            if self.rows_topic is not None:
                self.rows_topic.send(table)
            self.folder.save_rows(table, number)
            self.metrics.rows += len(table)
        if brings:
            self.known.complete()
            self.folder.publish_rows(number)
        self.metrics.moving += moving
        self.metrics.left_out += len(read.rejects) - len(rejects) - moving
        self.metrics.alerts += read.alerts
        self.metrics.duplicates += read.duplicates

    def _predict(self, survey: Survey, lines: pa.Table, rejects: list[Reject]) -> tuple[Table | None, pa.Table]:
        """Return the table of predictions, as `predict` has it, and the lines of its objects.

        A packet may hold fluxes that no network stands: halved again and again, the batch is left without it. It is a
        reject, and the others have rows; None where there are no others.
        """
        options = PredictOptions(batch_size=self.options.batch_size)
        try:
            parts = [predict_survey(run, survey, options) for run in self.runs]
        except UsageError as error:
            if error.code != "E-NETWORK-NAN":
                raise
            return self._predict_halves(survey, lines, rejects)
        shares, said = choose_shares(self.options.prior, parts, interval=False)
        return prediction_table(combine(parts, shares), survey, self.runs, said), lines

    def _predict_halves(self, survey: Survey, lines: pa.Table, rejects: list[Reject]) -> tuple[Table | None, pa.Table]:
        if len(survey) == 1:
            [line] = lines.to_pylist()
            rejects.append(Reject(line["id"], line["file"], "the network gives no number for the series that it ends"))
            return None, lines.slice(0, 0)
        half = len(survey) // 2
        first = self._predict(survey[:half], lines.slice(0, half), rejects)
        second = self._predict(survey[half:], lines.slice(half), rejects)
        tables = [table for table, _ in (first, second) if table is not None]
        joined = vstack(tables, metadata_conflicts="silent") if tables else None
        return joined, pa.concat_tables([first[1], second[1]])


def watch(
    runs: Sequence[TrainedRun],
    kind: AlertKind,
    address: Address,
    out: Path,
    options: WatchOptions = WatchOptions(),
    schema: Path | None = None,
    settings: Mapping[str, str] | None = None,
    rows_to: Address | None = None,
    survey: Survey | None = None,
    stopped: Callable[[], bool] = lambda: False,
    say: Callable[[str], object] = lambda line: None,
    warn: Callable[[str], object] = lambda line: None,
) -> Metrics:
    """Watch a topic until `stopped` says so, or nothing has come for a while.

    Parameters
    ----------
    runs, kind, schema, options, survey
        See `Watch`.
    address, rows_to : Address
        The topic to read, and one that rows go to.
    out : Path
        Folder of the watch, see `WatchFolder`.
    settings : mapping, optional
        Further settings of librdkafka.
    stopped : function
        Whether to end: the batch at hand is finished and committed.
    say, warn : function
        Take a line after each batch, and a warning.

    Raises
    ------
    UsageError, FileSystemError
        The folder, the topic, a schema or the disk does not allow it; all that was committed is on the disk.
    """
    make_folder(out)
    with folder_lock(out):
        folder = WatchFolder(out, kind.settings, options.group)
        rows_topic = None if rows_to is None else RowsTopic(rows_to, settings or {})
        working = Watch(runs, kind, folder, schema, options, rows_topic, survey)
        if line := folder.note_survey(None if survey is None else survey.path):
            warn(line)
        newest = options.newest and not folder.has_begun(address.topic)
        topic = Topic(address, folder.group, dict(settings or {}), newest, warn)
        try:
            folder.begin(address.topic)
            _follow(working, topic, options, stopped, say, warn)
        finally:
            topic.close()
    return working.metrics


def _follow(
    working: Watch,
    topic: Topic,
    options: WatchOptions,
    stopped: Callable[[], bool],
    say: Callable[[str], object],
    warn: Callable[[str], object],
) -> None:
    begun: float | None = None
    last, behind = time.monotonic(), False
    metrics = working.metrics
    while not stopped():
        messages = topic.collect(options.batch, options.seconds, stopped)
        if not messages:
            idle = options.until_idle is not None and time.monotonic() - last > options.until_idle
            if idle and topic.lag(ask=True) == 0:  # what waits is on its way; brokers that are away say None
                return
            continue
        begun = time.monotonic() if begun is None else begun
        working.take(messages)
        topic.commit()
        last = time.monotonic()
        metrics.seconds, metrics.lag = last - begun, topic.lag()
        say(str(metrics))
        if options.max_lag is not None and metrics.lag is not None and behind != (metrics.lag > options.max_lag):
            behind = not behind
            state = f"more than --max-lag {options.max_lag}" if behind else f"again within --max-lag {options.max_lag}"
            warn(f"{metrics.lag} messages are waiting, {state}")
