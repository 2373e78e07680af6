"""`ictconvention ingest sdss`: from a table of objects and a table of fields to a survey of stamps."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from ictconvention.core.atomic import folder_lock
from ictconvention.core.errors import UsageError, readable_os_errors
from ictconvention.core.output_place import check_outside
from ictconvention.ingestion.options import Ingested
from ictconvention.ingestion.rejects import Rejects
from ictconvention.ingestion.request import PathLike, Request

GIGABYTE = 1_000_000_000
PIXEL_SCALE = 0.396  # [arcsec]
OF_FIELDS = ("run", "rerun", "camcol", "field", "ramin", "ramax", "decmin", "decmax", "score")


def ingest_sdss(
    request: Request,
    source: PathLike,
    *,
    fields: PathLike,
    plan: bool = False,
    server: str = "https://data.sdss.org/sas/dr17/eboss",
    cache: PathLike | None = None,
    cache_size: float = 0.0,
    connections: int = 4,
    delay: float = 0.2,
    timeout: float = 60.0,
    tries: int = 5,
    checksums: PathLike | None = None,
    psf: bool = True,
    masks: bool = False,
    calibrate: bool = False,
) -> Ingested:
    """Fetch SDSS frames of Stripe 82, field by field, and cut stamps about a list of positions.

    Raises
    ------
    UsageError
        A table lacks something, no object lies on a field, or an option has a value that it cannot have.
    FileSystemError
        The server does not answer, or the disk does not allow it; what is done is kept, and the same command resumes.
    """
    from ictconvention.ingestion.sdss import frame_file
    from ictconvention.ingestion.sdss.archive import Archive, read_checksums
    from ictconvention.ingestion.sdss.calibration import add_references
    from ictconvention.ingestion.sdss.candidates import read_candidates
    from ictconvention.ingestion.sdss.fields import BANDS, check_visits, match_fields, read_fields
    from ictconvention.ingestion.sdss.plan import plan_survey
    from ictconvention.ingestion.sdss.reading import SdssOptions, read_field

    if connections < 1 or cache_size < 0:
        found = f"connections is {connections}, cache-size {cache_size:g}"
        raise UsageError(found, "options of ingest sdss", "give a connection or more, and gigabytes", "E-COMMAND-VALUE")
    renamed = request.columns()
    of_objects = {own: theirs for own, theirs in renamed.items() if own not in OF_FIELDS}
    of_fields = {own: theirs for own, theirs in renamed.items() if own in OF_FIELDS}
    objects, ra, dec, rejects = read_candidates(Path(source), of_objects)
    listed = read_fields(Path(fields), of_fields)
    visits = match_fields(listed, tuple(objects), ra, dec)
    check_visits(visits, listed, ra, dec, Path(fields))
    if calibrate:
        if any(visit.field.photometric is None for visit in visits):
            found = "--calibrate needs to know which nights were clear, and the table of fields does not say it"
            fix = "add the columns calibStatus_u to calibStatus_z of SkyServer's table Field"
            raise UsageError(found, Path(fields), fix, "E-TABLE-COLUMN")
        visits = add_references(visits, listed)
    cloudy = 0 if calibrate else sum(visit.field.photometric is False for visit in visits)
    remarks = [f"{cloudy} of {len(visits)} fields are of nights that were not clear: --calibrate"] if cloudy else []

    out = Path(request.out).absolute()
    folder = out.with_name(f"{out.name}-frames") if cache is None else Path(cache).absolute()
    check_outside(folder / "frames", "keeping frames")
    sums = {} if checksums is None else read_checksums(Path(checksums))
    archive = Archive(server, folder / "frames", timeout, delay, tries, sums)
    request = replace(request, jobs=min(request.processes, connections))  # each process has one connection
    options = request.options(PIXEL_SCALE, orientation="north up, east left", times=frame_file.MEANING)
    bands = options.bands or (BANDS if request.known is None else request.known.bands)
    if unknown := [band for band in bands if band not in BANDS]:
        found = f"SDSS has no band {unknown[0]}"
        raise UsageError(found, "options of ingest sdss", f"take some of {','.join(BANDS)}", "E-BAND-UNKNOWN")
    how = SdssOptions(
        archive, folder / "stamps", bands, request.side(), psf, masks, int(cache_size * GIGABYTE), calibrate
    )
    planned = plan_survey(how, visits, options.jobs)
    if plan:
        return Ingested(planned.objects, planned.stamps, Rejects.of(rejects), remarks=(*planned.said, *remarks))
    provenance = {
        "server": server,
        "sky": "subtracted, as the archive's frames are",
        "masks": masks,
        "psField": psf,
        "calibrated": calibrate,
    }
    options = replace(options, provenance=provenance)
    with readable_os_errors("making the cache", folder):
        folder.mkdir(parents=True, exist_ok=True)
    with folder_lock(folder):
        made = request.ingest(
            options, partial(read_field, how), visits, objects, rejects=rejects, everything_listed=True
        )
        if made.out is not None:
            for visit in visits:  # the survey has them now
                how.stamps_of(visit).unlink(missing_ok=True)
    if made.out is not None:
        for place in (how.stamps, archive.folder, folder):
            if place.is_dir() and not any(place.iterdir()):
                place.rmdir()
    return replace(made, remarks=(*planned.said, *remarks, *made.remarks))
