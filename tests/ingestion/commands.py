"""Run `ictconvention ingest` inside the test's process, and look at what it made."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from typer.testing import CliRunner

from ictconvention.cli.main import app
from ictconvention.core.errors import IctConventionError
from ictconvention.measuring.photometry import measure_photometry, photometry_recipe
from ictconvention.survey.series import night_index
from ictconvention.survey.survey import Survey


@dataclass(frozen=True)
class Made:
    """A survey that a command made, and what the command said."""

    survey: Survey
    lines: list[str]

    @property
    def said(self) -> str:
        return self.lines[-1]

    @property
    def sources(self) -> dict[str, list[Any]]:
        """Where each frame came from, by column; frames in the order of the survey."""
        return table(self.survey.path / "frame_sources.parquet")

    @property
    def photometry(self) -> dict[str, list[Any]]:
        return table(self.survey.path / "photometry.parquet")

    @property
    def rejects(self) -> list[dict[str, str]]:
        return rejects_of(self.survey.path)


def made(command: str, source: Path, out: Path, *options: object) -> Made:
    """Ingest; the command must succeed."""
    lines = spoken(command, source, out, *options)
    return Made(Survey.open(out), lines)


def spoken(command: str, source: Path, out: Path, *options: object) -> list[str]:
    """Return what a command that must succeed says."""
    result = CliRunner().invoke(app, _arguments(command, source, out, options), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout.splitlines()


def refusal(command: str, source: Path, out: Path, *options: object) -> IctConventionError:
    """Return the error of a command that must fail by something that a user can fix, and leave no survey."""
    there = out.exists()
    result = CliRunner().invoke(app, _arguments(command, source, out, options))
    error = result.exception
    if not isinstance(error, IctConventionError):
        raise AssertionError(f"no error that a user can fix: {error!r}\n{result.output}") from error
    assert all(str(part).strip() for part in (error.found, error.where, error.fix))
    assert out.exists() == there
    return error


def drawn(survey: Survey, id_: str) -> dict[str, NDArray[np.float64]]:
    """Draw an object as `ictconvention show` does; return the fluxes of the light curve that is drawn, by band.

    The figure must show a stamp for each frame and night, name the object, and draw what was measured, or say why it
    cannot: stamps are too small.
    """
    from matplotlib.container import ErrorbarContainer

    from ictconvention.drawing.film_strip import draw_film_strip, shown_nights

    series, header = survey[id_], survey.header
    figure = draw_film_strip(series, header)
    board, curve = figure.axes[0], figure.axes[-1]
    night = night_index(series.mjd)
    nights = set(zip(night.tolist(), series.band.tolist(), strict=True))
    assert len(board.images) == len({one for one in nights if one[0] in shown_nights(night)})
    assert any(id_ in text.get_text() for text in figure.texts)
    if any("too small" in text.get_text() for text in curve.texts):
        return {}
    flux = measure_photometry(series, photometry_recipe(header.pixel_scale, header.stamp_size, header.name))[:, 0]
    bars = [one for one in curve.containers if isinstance(one, ErrorbarContainer) and one.lines[0] is not None]
    seen = {str(one.get_label()): np.asarray(one.lines[0].get_ydata(), dtype=np.float64) for one in bars}
    for band, name in enumerate(header.bands):
        measured = flux[(series.band == band) & np.isfinite(flux)]
        np.testing.assert_array_equal(seen.get(name, np.zeros(0)), measured)
    return seen


def rejects_of(out: Path) -> list[dict[str, str]]:
    """Return the rows of the table of rejects beside a survey; none where there is no table."""
    path = out.with_name(f"{out.name}-rejects.csv")
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def table(path: Path) -> dict[str, list[Any]]:
    return dict(pq.read_table(path).to_pydict())


def frame_bytes(survey: Survey) -> bytes:
    return b"".join((shard / "frames.npy").read_bytes() for shard in sorted(survey.path.glob("shard-*")))


def write_table(path: Path, rows: list[dict[str, Any]], columns: list[str] | None = None) -> Path:
    """Write a CSV table as a user would; None is an empty cell."""
    names = columns or list(dict.fromkeys(name for row in rows for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def flat(size: int, level: float = 1.0) -> NDArray[np.float64]:
    """Return pixels of one level (size, size), but for a noise without which they would be no sky."""
    noise = 1e-6 * np.random.default_rng(0).normal(size=(size, size))
    noise[0, 0] = 0
    return level * (1 + noise)


def blob(size: int, x: float = 0.0, y: float = 0.0, flux: float = 100.0, sigma: float = 1.5) -> NDArray[np.float64]:
    """Return a round source (size, size): x to the right of the centre and y above it [pixels], of that flux."""
    across = np.arange(size) - (size - 1) / 2
    profile = np.exp(-((across[:, None] - y) ** 2 + (across[None] - x) ** 2) / (2 * sigma**2))
    return flux * profile / (2 * np.pi * sigma**2)


def centroid(stamp: NDArray[np.floating]) -> tuple[float, float]:
    """Return where the light is, to the right of the centre and above it [pixels]."""
    values = np.nan_to_num(stamp.astype(np.float64))
    across = np.arange(len(stamp)) - (len(stamp) - 1) / 2
    return float((values * across).sum() / values.sum()), float((values * across[:, None]).sum() / values.sum())


def _arguments(command: str, source: Path, out: Path, options: tuple[object, ...]) -> list[str]:
    jobs = [] if "--jobs" in options else ["--jobs", 1]
    return ["ingest", command, *map(str, [source, out, *jobs, *options])]
