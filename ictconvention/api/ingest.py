"""Surveys of a user's own images, from Python: the kinds and the options of the command line."""

from dataclasses import fields
from pathlib import Path
from typing import Any

from ictconvention.core.errors import UsageError, did_you_mean
from ictconvention.ingestion.kinds import KINDS
from ictconvention.ingestion.options import Ingested
from ictconvention.ingestion.request import Request

OURS = ("out", "made_by", "show")  # of a request, and no option


def ingest(kind: str, source: str | Path, path: str | Path, **options: Any) -> Ingested:
    """Make a survey of images that you have.

    What is left out is in the result, with the reason: look at it before you use the survey.

    Parameters
    ----------
    kind : str
        "stamps", "ccd", "sdss", "tao", "ztf", "rubin", "images" or "chips", as `ictconvention ingest KIND --help` says.
    source : str or Path
        A table of stamps, a folder or table of CCD images, a folder of files, pictures or chips, or alerts.
    path : str or Path
        The survey's folder to make, which must not exist; or with `into=True` that of the survey to add to.
    **options
        Those of the command, with underscores: `pixel_scale=0.396`, `positions="objects.csv"`, `bands=["g", "r"]`,
        `classes=["AGN", "SN Ia"]`, `objects="labels.csv"` (of images `labels`), `column={"id": "objid"}`,
        `rename_band={"g": "sdss_g"}`, `size=32`, `jobs=4`, `dry_run=True`, `into=True`, `relabel=True`;
        `bin_pixels=True` is `--bin`, `sky=False` is `--no-sky`; `masks="train/masks"` is the second folder of chips.

    Returns
    -------
    Ingested
        `survey`, the numbers of `objects` and `frames`, `rejects` and `remarks`; `said` has the command's lines.

    Raises
    ------
    UsageError, SurveyError, FileSystemError
        There is no such kind or option, nothing is found, or too much is left out; no survey is left then.

    Examples
    --------
    >>> import numpy as np
    >>> from astropy.table import Table
    >>> np.save(folder / "frames.npy", np.random.default_rng(0).normal(size=(2, 32, 32)))
    >>> rows = {"id": ["a"] * 2, "file": ["frames.npy"] * 2, "plane": [0, 1], "band": ["g", "r"]}
    >>> rows |= {"mjd": [53600.1, 53600.2]}
    >>> Table(rows).write(folder / "frames.csv")
    >>> made = ict.ingest("stamps", folder / "frames.csv", folder / "ingested", pixel_scale=0.396, jobs=1)
    >>> print(made, made.survey.header.bands)
    1 object, 2 frames, 0 rejected ('g', 'r')
    """
    if kind not in KINDS:
        found = f"no kind of images is called {kind!r}{did_you_mean(kind, KINDS)}"
        raise UsageError(found, "kind", f"take one of {', '.join(KINDS)}", "E-COMMAND-VALUE")
    chosen = KINDS[kind]
    shared = [one.name for one in fields(Request) if one.name not in (*OURS, *chosen.without)]
    if unknown := [name for name in options if name not in (*shared, *chosen.own)]:
        found = f"{unknown[0]} is no option of {kind}{did_you_mean(unknown[0], [*chosen.own, *shared])}"
        raise UsageError(found, "options of ingest", f"take {', '.join([*chosen.own, *shared])}", "E-COMMAND-VALUE")
    if absent := [name for name in chosen.needed if name not in options]:
        raise UsageError(f"{kind} needs {absent[0]}", "options of ingest", f"give {absent[0]}=...", "E-VALUE-MISSING")
    plain = {name: str(value) if isinstance(value, Path) else value for name, value in options.items()}
    said = "".join(f", {name}={value!r}" for name, value in plain.items())
    call = f"ict.ingest({kind!r}, {str(source)!r}, {str(path)!r}{said})"
    own = {name: options[name] for name in chosen.own if name in options}
    request = Request(Path(path), call, **{name: options[name] for name in shared if name in options})
    return chosen.ingest(request, source, **own)
