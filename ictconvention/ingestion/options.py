"""What holds for every source of an ingest, and what became of it all."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.ingestion.rejects import Rejects, reasons
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.survey import Survey


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """What holds for every source.

    Parameters
    ----------
    out : Path
        The survey's folder to make.
    made_by : str
        The command, kept in the survey's provenance.
    pixel_scale : float
        Pixel scale of the stamps [arcsec].
    name : str, optional
        Name of the survey; by default that of the folder.
    size : int
        Size of the stamps [pixels].
    bands : tuple of str, optional
        The bands to take, in their order in the survey; by default all that are found.
    rename_band : mapping
        Names that bands shall have, by those that they have in the source.
    classes : tuple of str, optional
        Names of the classes; by default those that are found, in alphabetical order. Objects of others have no label.
    flux_unit : str
        Flux unit of the pixels.
    simulated : bool
        Whether the sky did not make the images.
    jobs : int
        Processes.
    max_rejects : float
        Largest share of what is found that may be left out.
    dry_run : bool
        Read and check everything, and write nothing.
    orientation : str
        How the stamps stand, as in `SurveyHeader`.
    times : str
        What the times of frames are, such as "UTC, middle of the exposure"; empty where the source does not say.
    dtype : str
        How frames are stored, as in `SurveyHeader`.
    provenance : mapping
        What else the survey shall say of how it was made.
    frames_each : int
        Frames that a reject stands for, such as the bands of a picture.
    masks : bool
        Whether every object has a mask, whose values are positions in `classes`.
    into : bool
        Whether `out` is a survey that there is, to which what is read is added as a night.
    relabel : bool
        Of a night: whether what the table of objects says holds, where the survey says something else.
    """

    out: Path
    made_by: str
    pixel_scale: float
    name: str | None = None
    size: int = 32
    bands: tuple[str, ...] | None = None
    rename_band: Mapping[str, str] = field(default_factory=dict)
    classes: tuple[str, ...] | None = None
    flux_unit: str = "nanomaggy"
    simulated: bool = False
    jobs: int = 1
    max_rejects: float = 0.5
    dry_run: bool = False
    orientation: str = "as given"
    times: str = ""
    dtype: str = "float32"
    provenance: Mapping[str, Any] = field(default_factory=dict)
    frames_each: int = 1
    masks: bool = False
    into: bool = False
    relabel: bool = False

    def __post_init__(self) -> None:
        if self.jobs < 1 or self.size < 1 or not 0 <= self.max_rejects <= 1:
            found = f"jobs is {self.jobs}, size {self.size}, max-rejects {self.max_rejects:g}"
            raise UsageError(
                found,
                "options of ingest",
                "give at least one job and one pixel, and a share from 0 to 1",
                "E-COMMAND-VALUE",
            )


@dataclass(frozen=True)
class Ingested:
    """What became of it all.

    Parameters
    ----------
    objects, frames : int
        In the survey.
    rejects : Rejects
        What was left out, a sequence of `Reject`.
    rejects_file : Path, optional
        The table of it; None where nothing was left out, or nothing was written.
    remarks : tuple of str
        What else is to be said: repeats, and names in tables and options that match nothing.
    out : Path, optional
        The survey's folder; None of a dry run.
    """

    objects: int
    frames: int
    rejects: Rejects
    rejects_file: Path | None = None
    remarks: tuple[str, ...] = ()
    out: Path | None = None

    @property
    def survey(self) -> Survey:
        """The survey that was made; a `UsageError` says that it was a dry run."""
        if self.out is None:
            raise UsageError(
                "this was a dry run, which writes nothing", "dry_run", "leave dry_run out", "E-SURVEY-MISSING"
            )
        return Survey.open(self.out)

    @property
    def said(self) -> list[str]:
        """What became of it all, in lines: what was left out and why, and in the last line how much there is."""
        lines = [f"rejected: {line}" for line in reasons(self.rejects)]
        lines += [f"all rejects: {self.rejects_file}"] if self.rejects_file is not None else []
        written = "nothing was written" if self.out is None else f"survey: {self.out}"
        return [*lines, *self.remarks, written, str(self)]

    def __str__(self) -> str:
        kinds = pluralize(self.objects, "object"), pluralize(self.frames, "frame")
        return f"{', '.join(kinds)}, {len(self.rejects)} rejected"


def make_header(
    options: IngestOptions, bands: tuple[str, ...], classes: tuple[str, ...], more: Mapping[str, Any]
) -> SurveyHeader:
    """Return the header of a survey that is made with these options; `more` goes into its provenance."""
    return SurveyHeader(
        name=options.name or options.out.absolute().name,
        bands=bands,
        classes=classes,
        pixel_scale=options.pixel_scale,
        stamp_size=options.size,
        dtype=options.dtype,
        flux_unit=options.flux_unit,
        simulated=options.simulated,
        orientation=options.orientation,
        provenance={
            "made by": options.made_by,
            **({"mjd": options.times} if options.times else {}),
            **options.provenance,
            **more,
        },
    )
