"""What every kind of images may be asked, whoever asks: the command line or Python."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, find_repeated, shorten
from ictconvention.core.parallel import usual_jobs
from ictconvention.core.progress import Show, show_nothing
from ictconvention.ingestion.fitting import Fitting
from ictconvention.ingestion.options import Ingested, IngestOptions
from ictconvention.ingestion.pipeline import ingest
from ictconvention.survey.format import SurveyHeader, read_header

SIZE = 32  # of a stamp [pixels], where nobody says
PathLike = str | Path
Renamed = Mapping[str, str] | Sequence[str] | None


@dataclass(frozen=True)
class Request:
    """What every kind may be asked; see `IngestOptions` for what has no comment.

    Parameters
    ----------
    out : path
        The survey's folder to make, or with `into` of the survey to add a night to.
    made_by : str
        The command or call, kept in the survey's provenance.
    bin_pixels : bool
        Sum 2 x 2 pixels before the stamp is cut.
    objects : path, optional
        Table of objects: id, and class, label_source, redshift, ra, dec or columns of one's own.
    column, rename_band : mapping, or texts OURS=THEIRS
        Names that columns have in the user's tables, and bands in the images, by the names that are wanted here.
    name, size, bands, classes, jobs, max_rejects, dry_run, simulated, into, relabel
        Of `bands` and `classes` a text is a list with commas; `jobs` is by default the number of processors, and `size`
        that of the survey that a night is added to, or 32.
    show : function
        Shows the progress of a named step.
    """

    out: PathLike
    made_by: str
    bin_pixels: bool = False
    objects: PathLike | None = None
    column: Renamed = None
    rename_band: Renamed = None
    name: str | None = None
    size: int | None = None
    bands: str | Sequence[str] | None = None
    classes: str | Sequence[str] | None = None
    jobs: int | None = None
    max_rejects: float = 0.5
    dry_run: bool = False
    simulated: bool = False
    into: bool = False
    relabel: bool = False
    show: Show = show_nothing

    def fitting(self, sky: bool) -> Fitting:
        """Return how cutouts come to stamps; `sky` says whether it is subtracted."""
        return Fitting(self.side(), "bin" if self.bin_pixels else "crop", sky, self.simulated)

    def options(self, pixel_scale: float, **more: Any) -> IngestOptions:
        """Return what holds for every source, from the size of a pixel of the files [arcsec] and what else is known."""
        given = {"bands": listed(self.bands), "classes": listed(self.classes), "size": self.side(), **more}
        renamed = {theirs: own for own, theirs in _pairs(self.rename_band, "--rename-band", "g=sdss_g")}
        return IngestOptions(
            Path(self.out),
            self.made_by,
            pixel_scale * (2 if self.bin_pixels else 1),
            self.name,
            simulated=self.simulated,
            jobs=self.processes,
            max_rejects=self.max_rejects,
            dry_run=self.dry_run,
            rename_band=renamed,
            into=self.into,
            relabel=self.relabel,
            **given,
        )

    @property
    def known(self) -> SurveyHeader | None:
        """The header of the survey that a night is added to; None where a new one is made."""
        return read_header(Path(self.out))[0] if self.into else None

    def side(self, usual: int = SIZE) -> int:
        """Return the size of the stamps [pixels]: as asked, else that of the survey that grows, else the usual one."""
        if self.size is not None:
            return self.size
        return usual if (known := self.known) is None else known.stamp_size

    @property
    def processes(self) -> int:
        """How many processes, or workers of a cluster, may be at work."""
        return usual_jobs(self.jobs)

    def columns(self) -> dict[str, str]:
        """Return the names that columns have in the user's tables, by ours."""
        pairs = _pairs(self.column, "--column", "id=objid")
        if twice := find_repeated(own for own, _ in pairs):
            found = f"two columns shall be {shorten(twice)}"
            raise UsageError(found, "--column", "give each name one column", "E-COMMAND-CONFLICT")
        return dict(pairs)

    def known_objects(self, option: str = "--objects") -> dict[str, dict[str, Any]]:
        """Return what the table of objects says, which an option names; nothing where there is none."""
        from ictconvention.files.user_table import read_objects, read_user_table

        renamed = self.columns()
        if self.objects is None:
            if renamed:
                found = f"--column names the column {next(iter(renamed.values()))}, and there is no table of objects"
                raise UsageError(found, "--column", f"give {option} TABLE, or leave it out", "E-COMMAND-CONFLICT")
            return {}
        columns = ("class", "label_source", "redshift", "ra", "dec")
        return read_objects(read_user_table(Path(self.objects), ("id",), columns, renamed).located)

    def ingest(
        self,
        options: IngestOptions,
        read: Callable[[Any], Any],
        units: Sequence[Any],
        objects: Mapping[str, Mapping[str, Any]],
        **more: Any,
    ) -> Ingested:
        """Make the survey; the arguments are those of `pipeline.ingest`."""
        with self.show("reading") as progress:
            return ingest(options, read, units, objects, progress, **more)


def listed(names: str | Sequence[str] | None) -> tuple[str, ...] | None:
    """Return names that may be given as a text with commas."""
    if names is None:
        return None
    return tuple(part.strip() for part in names.split(",")) if isinstance(names, str) else tuple(names)


def _pairs(given: Renamed, option: str, example: str) -> list[tuple[str, str]]:
    """Return pairs of the name that is wanted and the name that there is.

    Raises
    ------
    UsageError
        A text is no OURS=THEIRS, or two names are wanted of one.
    """
    if isinstance(given, Mapping):
        pairs = [(str(own), str(theirs)) for own, theirs in given.items()]
    else:
        texts = [given] if isinstance(given, str) else given or ()
        pairs = [(own.strip(), theirs.strip()) for own, _, theirs in (text.partition("=") for text in texts)]
    for own, theirs in pairs:
        if not own or not theirs:
            found = f"{option} is {own}={theirs}" if theirs else f"{option} is {own}"
            raise UsageError(found, option, f"give OURS=THEIRS, such as {option} {example}", "E-COMMAND-VALUE")
    if twice := find_repeated(theirs for _, theirs in pairs):
        raise UsageError(f"{shorten(twice)} shall have two names", option, "give it one", "E-COMMAND-CONFLICT")
    return pairs
