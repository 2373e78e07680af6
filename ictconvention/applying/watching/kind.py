"""Whose alerts a run can judge, and how they are read: as those that it was trained on."""

import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from ictconvention.core.errors import IctConventionError, UsageError
from ictconvention.feeding.reddening import WITHOUT
from ictconvention.files.reading import UnreadableError
from ictconvention.ingestion.fitting import Fit, Fitting
from ictconvention.ingestion.found import Found
from ictconvention.ingestion.readers import ztf
from ictconvention.ingestion.readers.alert_files import Alert, AlertSource
from ictconvention.ingestion.readers.ztf import ZtfOptions, take_ztf
from ictconvention.ingestion.rubin import alert as rubin
from ictconvention.ingestion.rubin.cutouts import PIXEL_SCALE as RUBIN_SCALE
from ictconvention.ingestion.rubin.reader import RubinOptions, take_rubin
from ictconvention.runs.trained_run import TrainedRun
from ictconvention.survey.format import NANOMAGGY, SurveyHeader, read_header

SAME_SCALE = 1e-3  # largest relative difference of pixel scales that are one: binned, Rubin is 1 % from SDSS
MADE_BY = "made by"  # of the provenance of a survey
Cutout = Literal["science", "difference"]
SURVEYS: dict[str, tuple[AlertSource, float, tuple[str, ...]]] = {
    "ztf": (ztf.ALERTS, ztf.PIXEL_SCALE, tuple(ztf.BANDS.values())),
    "rubin": (rubin.ALERTS, RUBIN_SCALE, rubin.BANDS),
}


@dataclass(frozen=True)
class HowRead:
    """What is asked for in the reading of alerts, as by `ingest ztf` and `ingest rubin`.

    Parameters
    ----------
    cutout : "science" or "difference", optional
        Which image; None: as in the training survey, where that is still there, else science.
    sky : bool, optional
        Whether the sky is subtracted; None: of ZTF's science images.
    zero_point : float, optional
        Of ZTF's alerts without one [AB mag].
    rotate : bool
        Whether Rubin's cutouts are rotated to north up.
    min_reliability : float
        Rubin's detections below it are left out.
    simulated : bool
        Whether the sky did not make the alerts.
    """

    cutout: Cutout | None = None
    sky: bool | None = None
    zero_point: float | None = None
    rotate: bool = True
    min_reliability: float = 0.0
    simulated: bool = False


@dataclass(frozen=True)
class AlertKind:
    """Alerts of one survey, and how each becomes a frame for a run.

    Parameters
    ----------
    name : str
        "ztf" or "rubin".
    bands : tuple of str
        Those of the run, in its order.
    pixel_scale : float
        Of the stamps [arcsec].
    size : int
        Of the stamps [pixels].
    source : AlertSource
        Whose alerts they are.
    take : function
        Yields what is found in an alert of a place.
    settings : mapping
        All that the stamps hang on, in plain values.
    """

    name: str
    bands: tuple[str, ...]
    pixel_scale: float
    size: int
    source: AlertSource
    take: Callable[[Alert, str], Iterator[Found]]
    settings: dict[str, Any]

    @property
    def survey(self) -> Literal["ZTF", "Rubin"]:
        """The survey, as it writes its name."""
        return "ZTF" if self.name == "ztf" else "Rubin"

    def candidate(self, alert: Alert) -> int:
        """Return the number of the detection.

        Raises
        ------
        UnreadableError
            It has none.
        """
        record, name = ("candidate", "candid") if self.name == "ztf" else ("diaSource", "diaSourceId")
        inner = alert.get(record)
        value = alert.get(name, inner.get(name) if isinstance(inner, dict) else None)
        if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) < value < 2**63:
            raise UnreadableError(f"{name} is {value!r}, no number of a detection")
        return value


def choose_kind(run: TrainedRun, how: HowRead) -> AlertKind:
    """Return whose alerts a run knows: the survey, and the size of the stamps, follow from its pixels.

    Raises
    ------
    UsageError
        It was trained on other images than those of alerts, or on another cutout than is asked for.
    """
    scale, unit = float(run.survey["pixel_scale"]), str(run.survey["flux_unit"])
    spec = run.spec
    if run.task.learns_masks:
        found = "this run has learned the class of each pixel, and alerts are single objects"
        raise UsageError(found, run.folder, "watch by a run with task=classes or redshift", "E-RUN-TASK")
    for name, (source, own, bands) in SURVEYS.items():
        fit = next((fit for fit, times in _FITS.items() if abs(scale / (own * times) - 1) <= SAME_SCALE), None)
        if fit is None or not {*spec.bands} <= {*bands} or unit != NANOMAGGY:
            continue
        _check_made_of(run, name)
        if spec.reddening:
            found = "this run knows E(B-V) of each object, which alerts do not say"
            raise UsageError(found, run.folder, f"{WITHOUT}, and train again", "E-SURVEY-UNSUITED")
        return _kind(run, name, source, own * _FITS[fit], fit, how)
    found = f"this run knows pixels of {scale:g} arcsec in {unit}, bands {', '.join(spec.bands)}"
    fix = "watch by a run that was trained on alerts (ingest ztf: 1.01 arcsec, g, r, i; ingest rubin: 0.2, ugrizy)"
    raise UsageError(found, run.folder, fix, "E-SURVEY-UNSUITED")


_FITS: dict[Fit, int] = {"crop": 1, "bin": 2}


def _kind(run: TrainedRun, name: str, source: AlertSource, scale: float, fit: Fit, how: HowRead) -> AlertKind:
    if not 0 <= how.min_reliability <= 1:
        found = f"min-reliability is {how.min_reliability:g}"
        raise UsageError(found, "options of watch", "give a share from 0 to 1", "E-COMMAND-VALUE")
    cutout = _cutout(run, how.cutout)
    sky = (name == "ztf" and cutout == "science") if how.sky is None else how.sky
    fitting = Fitting(run.spec.stamp_size, fit, sky, how.simulated)
    settings: dict[str, Any] = {"survey": name, "bands": list(run.spec.bands), "cutout": cutout, **asdict(fitting)}
    if name == "ztf":
        settings["zero_point"] = how.zero_point
        of_ztf = ZtfOptions(Path(), fitting, how.zero_point, cutout)

        def take(alert: Alert, place: str) -> Iterator[Found]:
            return take_ztf(of_ztf, alert, place)
    else:
        settings |= {"rotate": how.rotate, "min_reliability": how.min_reliability}
        of_rubin = RubinOptions(Path(), fitting, cutout, how.rotate, how.min_reliability)

        def take(alert: Alert, place: str) -> Iterator[Found]:
            return take_rubin(of_rubin, alert, place)

    return AlertKind(name, run.spec.bands, scale, run.spec.stamp_size, source, take, settings)


def _training_header(run: TrainedRun) -> SurveyHeader | None:
    """Return the header of the training survey; None where it is not on this machine any more."""
    path = run.options.survey.path
    try:
        header = None if path is None else read_header(Path(path))[0]
    except IctConventionError:
        return None
    return header if header is not None and header.name == run.survey["name"] else None


def _check_made_of(run: TrainedRun, name: str) -> None:
    """Refuse a run whose survey is there and does not say that it was made of the alerts of a survey."""
    header = _training_header(run)
    said = str(header.provenance.get(MADE_BY, "")) if header is not None else name
    if not re.search(rf"\b{name}\b", said):
        found = f"this run knows a survey that was made by {said!r}, and not by ingest {name}"
        fix = f"watch by a run that was trained on alerts (ingest {name})"
        raise UsageError(found, run.folder, fix, "E-SURVEY-UNSUITED")


def _cutout(run: TrainedRun, asked: Cutout | None) -> Cutout:
    """Return which cutout to take: that of the training survey, where it can be asked, must not be another one.

    Raises
    ------
    UsageError
        It is.
    """
    header = _training_header(run)
    if header is None:
        return asked or "science"
    said = header.provenance.get("cutout", header.provenance.get(MADE_BY, ""))
    known: Cutout = "difference" if re.search(r"\bdifference\b", str(said)) else "science"
    if asked is not None and asked != known:
        found = f"this run has learned {known} images, and --cutout is {asked}"
        raise UsageError(
            found, run.options.survey.path or run.folder, f"give --cutout {known}, or leave it out", "E-SURVEY-UNSUITED"
        )
    return known
