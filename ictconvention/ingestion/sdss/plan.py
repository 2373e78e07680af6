"""What a survey of SDSS frames takes, before anything is fetched: objects, frames, gigabytes and hours."""

from collections.abc import Sequence
from dataclasses import dataclass

from ictconvention.core.errors import pluralize
from ictconvention.ingestion.sdss.fields import FieldVisit
from ictconvention.ingestion.sdss.reading import SdssOptions

FRAME_BYTES = 3.2e6  # of a frame packed by bzip2; 3.2 and 3.5 million in g and r of a field of Stripe 82
PSF_BYTES, MASK_BYTES = 0.4e6, 0.1e6  # of a psField, and of a mask packed by gzip
RATE = 2e6  # bytes a second over one connection: taken for the estimate, not measured
CUTTING = 1.5  # [s] of a processor for a frame: to unpack it and cut its stamps


@dataclass(frozen=True)
class Plan:
    """What there is to do.

    Parameters
    ----------
    objects : int
        That lie on a field.
    fields, done : int
        Fields with an object, and those of them whose stamps are kept from an earlier try.
    frames : int
        Frames to fetch.
    stamps : int
        Frames of objects that the survey will have, at most.
    size : int
        Size of the stamps [pixels].
    download : float
        To fetch [bytes].
    hours : float
        That it takes.
    """

    objects: int
    fields: int
    done: int
    frames: int
    stamps: int
    size: int
    download: float
    hours: float

    @property
    def said(self) -> tuple[str, ...]:
        """The plan in lines."""
        done = f", {self.done} of them done" if self.done else ""
        survey = self.stamps * self.size**2 * 4 / 1e9
        return (
            f"plan: {pluralize(self.objects, 'object')} on {pluralize(self.fields, 'field')}{done}",
            f"plan: {pluralize(self.frames, 'frame')} to fetch, {self.download / 1e9:.3g} GB",
            f"plan: {self.hours:.3g} hours at {RATE / 1e6:g} MB/s over each connection",
            f"plan: at most {pluralize(self.stamps, 'stamp')} in the survey, {survey:.3g} GB",
        )


def plan_survey(options: SdssOptions, visits: Sequence[FieldVisit], connections: int) -> Plan:
    """Count what there is to do, with so many connections, each of its own process."""
    waiting = [visit for visit in visits if not options.stamps_of(visit).exists()]
    bands = len(options.bands)
    compared = sum(visit.reference is not None for visit in waiting) if options.calibrate else 0
    frames = bands * (len(waiting) + compared)
    files = frames + options.psf * len(waiting) + options.masks * frames
    download = frames * (FRAME_BYTES + options.masks * MASK_BYTES) + options.psf * len(waiting) * PSF_BYTES
    seconds = (download / RATE + files * options.archive.delay + frames * CUTTING) / connections
    return Plan(
        objects=len({id_ for visit in visits for id_ in visit.ids}),
        fields=len(visits),
        done=len(visits) - len(waiting),
        frames=frames,
        stamps=bands * sum(len(visit.ids) for visit in visits),
        size=options.size,
        download=download,
        hours=seconds / 3600,
    )
