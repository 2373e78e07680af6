"""A survey of Rubin alerts: what is asked for, and what is said of it."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from ictconvention.core.errors import UsageError, pluralize
from ictconvention.ingestion.options import Ingested
from ictconvention.ingestion.readers.alert_files import find_alerts
from ictconvention.ingestion.request import PathLike, Request
from ictconvention.ingestion.rubin.alert import ALERTS, BANDS, MOVING, TIMES
from ictconvention.ingestion.rubin.cutouts import PIXEL_SCALE
from ictconvention.ingestion.rubin.reader import CUTOUTS, RubinOptions, read_rubin
from ictconvention.ingestion.rubin.schema import read_schema

SIZE = 26  # pixels of a stamp: those about an object up to 2 pixels off the middle of 30 hold what fluxes are made of
ROTATED = "rotated about the object by a quintic spline, times the area of a pixel, so that fluxes stay"
NOT_ROTATED = "as in the alerts, each visit at its own angle"
COST = (
    "--no-rotate: every frame stands at the angle of its visit, so that differences between the frames of an object, "
    "as in the residual channel of networks, show the rotation: they are wrong for objects of several visits"
)


def ingest_rubin(
    request: Request,
    source: PathLike,
    *,
    size: int | None = None,
    cutout: Literal["science", "difference"] = "science",
    sky: bool = False,
    rotate: bool = True,
    min_reliability: float = 0.0,
    schema: PathLike | None = None,
) -> Ingested:
    """Take Rubin alerts: those of one diaObjectId become a sequence."""
    request = replace(request, size=size)
    request = replace(request, size=request.side(SIZE))
    where = "options of ingest rubin"
    if cutout not in CUTOUTS:
        raise UsageError(f"cutout is {cutout!r}", where, "take science or difference", "E-COMMAND-VALUE")
    if not 0 <= min_reliability <= 1:
        raise UsageError(
            f"min-reliability is {min_reliability:g}", where, "give a share from 0 to 1", "E-COMMAND-VALUE"
        )
    of_messages = None if schema is None else read_schema(Path(schema))
    folder, units = find_alerts(Path(source), ALERTS.command)
    how = RubinOptions(folder, request.fitting(sky), cutout, rotate, min_reliability, of_messages)
    said = {"pixels": ROTATED if rotate else NOT_ROTATED, "cutout": f"{cutout} image, nJy / 3630.78"}
    orientation = "north up, east left" if rotate else "as given"
    options = request.options(PIXEL_SCALE, orientation=orientation, times=TIMES, provenance=said)
    known, table = request.known_objects(), None if request.objects is None else Path(request.objects)
    made = request.ingest(options, partial(read_rubin, how), units, known, objects_table=table, bands_there=BANDS)
    return _count_moving(made) if rotate else replace(shown := _count_moving(made), remarks=(*shown.remarks, COST))


def _count_moving(made: Ingested) -> Ingested:
    """Count moving sources apart from what was rejected."""
    others = made.rejects.without(MOVING)
    number = len(made.rejects) - len(others)
    if not number:
        return made
    remark = f"{pluralize(number, 'alert')} of moving sources left out: Rubin gives them no diaObjectId"
    return replace(made, rejects=others, remarks=(*made.remarks, remark))
