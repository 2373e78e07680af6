"""The undamaged inputs of all cases, in miniature: a folder for each, made once."""

import csv
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.table import Table, vstack

from experiments.faults.processes import Ended, run_command
from ictconvention.survey.format import SurveyHeader
from ictconvention.survey.writer import SurveyWriter, join_shards
from tests.conftest import HEADER, image_series
from tests.ingestion.alert_packets import alert, avro_bytes, detection, limit, write_avro, write_parquet, write_tar
from tests.ingestion.images import Sky, beside
from tests.ingestion.readers.test_tao import write_object
from tests.miniature import write_miniature
from tests.simulation.painted.test_painting import as_table, pulsator, supernova

LIMIT = 300.0  # [s] that a command may take here
SMALL = replace(HEADER, name="small", stamp_size=16, simulated=True)
OWN_SURVEY = ("survey=path", "survey.path=survey")
TRAINED_ON = [*OWN_SURVEY, "runs=runs", "profile=tiny", "trainer.batch_size=16"]
TRAIN = ["train", "experiment=light_curve_sdss", *TRAINED_ON, "figures=false"]
SWEEP = ["train", "-m", *TRAIN[1:], "fold.index=0,1", "hydra.sweep.dir=sweep"]
BY_COMMAND: Mapping[str, Sequence[str]] = {  # inputs that a command makes, and what it makes them of
    "run": ("survey",),
    "image_run": ("survey",),
    "stopped": ("survey",),
    "sweep": ("survey",),
    "split": ("survey",),
    "model": ("run",),
}


def make_by_command(name: str, place: Path) -> Ended:
    """Make an input by a command in a folder that holds what it needs."""
    match name:
        case "split":
            return run_command(["split", "survey", "-o", "split.json"], place, LIMIT)
        case "image_run":
            return run_command(["train", "experiment=ict_sdss", *TRAIN[2:]], place, LIMIT)
        case "sweep":
            for fold in (0, 1):
                run_command([*TRAIN, f"fold.index={fold}"], place, LIMIT)
            return run_command(SWEEP, place, LIMIT)
        case "model":
            run = next(place.glob("runs/*_sdss/*")).relative_to(place)
            return run_command(["export", str(run), "-o", "made.pt2"], place, LIMIT)
        case "stopped":
            return _stop_between_stages(place)
    return run_command(TRAIN, place, LIMIT)


def _stop_between_stages(place: Path) -> Ended:
    """Train, and take back what came after the first stage."""
    ended = run_command(TRAIN, place, LIMIT)
    run = next(place.glob("runs/*_sdss/*"))
    for name in ("result.json", "predictions.parquet", "reference.npz", "seen_objects.parquet"):
        (run / name).unlink()
    (run / "checkpoints" / "finetune.ckpt").unlink()
    status = json.loads((run / "status.json").read_text())
    (run / "status.json").write_text(json.dumps(status | {"state": "running", "epochs": {"pretrain": 1}}))
    return ended


def make_survey(place: Path) -> None:
    write_miniature(place / "survey", SMALL)


def make_shards(place: Path) -> None:
    header = SurveyHeader("sharded", ("g", "r"), ("AGN", "SN Ia"), pixel_scale=0.4, stamp_size=8)
    for shard in range(3):
        with SurveyWriter(place / "survey" / f"shard-{shard:05d}", header) as writer:
            for number in range(shard * 4, shard * 4 + 4):
                writer.add(**image_series(number, 3 + number % 4, replace(header, bands=("g", "r"))))
    join_shards(place / "survey")


def make_stamps(place: Path) -> None:
    """Write stamps as FITS files of one image, a cube, npz, npy and compressed images, named by a table."""
    rng = np.random.default_rng(0)
    rows: list[dict[str, Any]] = []

    def row(id_: str, file: str, number: int, **own: Any) -> None:
        known = {"class": "AGN" if id_ < "c" else "SN Ia", "redshift": 0.1, "ra": 150.0, "dec": 2.0}
        rows.append({"id": id_, "file": file, "band": "gr"[number % 2], "mjd": 58000.5 + number} | known | own)

    frames = rng.normal(size=(4, 16, 16)).astype(np.float32)
    for number in range(3):
        fits.PrimaryHDU(frames[number]).writeto(place / f"a{number}.fits")
        row("a", f"a{number}.fits", number, zero_point=22.5, psf_fwhm=1.2)
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU((frames * 100).astype(np.int16), name="SCI")]).writeto(
        place / "b.fits"
    )
    np.savez(place / "c.npz", frames=frames)
    np.save(place / "d.npy", frames)
    packed = fits.CompImageHDU((frames[0] * 100).astype(np.int16), compression_type="RICE_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(place / "e.fits.fz")
    fits.PrimaryHDU(frames[1]).writeto(place / "f.fits.gz")
    for number in range(4):
        row("b", "b.fits", number, plane=number, hdu="SCI")
        row("c", "c.npz", number)
        row("d", "d.npy", number, sky_sigma=0.5)
    row("e", "e.fits.fz", 0)
    row("f", "f.fits.gz", 1)
    names = list(dict.fromkeys(name for one in rows for name in one))
    with (place / "frames.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    table = Table(rows=[[one.get(name, np.nan) for name in names[:4]] for one in rows], names=names[:4])
    table.write(place / "frames.ecsv")
    table.write(place / "frames.parquet")
    table.write(place / "frames_table.fits")


def make_images(place: Path) -> None:
    """Write CCD images of one field, one of them compressed, one with a mask, and the objects in it."""
    places = {"a": beside(5.0, -7.0), "b": beside(-11.0, 3.0), "c": beside(0.0, 12.0)}
    sky = Sky(shape=(90, 100))
    sky.sources = [(*at, 20_000.0) for at in places.values()]
    (place / "images").mkdir()
    for number, filter_ in enumerate(("g DECam", "r DECam", "g DECam")):
        own: dict[str, Any] = {"FILTER": filter_, "MJD-OBS": 58000.0 + number, "EXPTIME": 30.0}
        hdu = sky.hdu(**own)
        hdu.writeto(place / "images" / f"i{number}_ooi.fits")
    fits.PrimaryHDU(np.zeros(sky.shape, np.int16)).writeto(place / "images" / "i0_ood.fits")
    hdu = sky.hdu(**{"MJD-OBS": 58009.0})
    packed = fits.CompImageHDU(hdu.data, hdu.header, compression_type="GZIP_1")
    fits.HDUList([fits.PrimaryHDU(), packed]).writeto(place / "images" / "i3.fits.fz")
    _write_csv(place / "objects.csv", [{"id": id_, "ra": ra, "dec": dec} for id_, (ra, dec) in places.items()])


def make_tao(place: Path) -> None:
    for number in range(4):
        write_object(place / "files" / f"o{number}.fits", f"CRTS{number}", "SN" if number % 2 else "AGN")
    _write_csv(place / "labels.csv", [{"id": f"CRTS{number}", "redshift": 0.1 * number} for number in range(4)])


def make_alerts(place: Path) -> None:
    folder = place / "alerts"
    folder.mkdir()
    before = [detection(-3.0), limit(-5.0)]
    for number in range(4):
        one = alert(f"ZTF18aaaaaa{'ab'[number % 2]}", day=number, fid=1 + number % 2, previous=before)
        write_avro(folder / f"{number}.avro", [one], codec=("null", "deflate")[number % 2])
    night = {f"{n}.avro": avro_bytes([alert("ZTF18aaaaaac", day=10 + n, previous=before)]) for n in range(3)}
    write_tar(folder / "night.tar.gz", night)
    write_parquet(folder / "more.parquet", [alert("ZTF18aaaaaad", day=20 + n, previous=before) for n in range(3)])
    _write_csv(place / "labels.csv", [{"id": f"ZTF18aaaaaa{one}", "class": "AGN"} for one in "abcd"])


def make_light_curves(place: Path) -> None:
    curves = [as_table(replace(supernova(seed)[0], id=f"sn{seed}")) for seed in range(2)]
    curves += [as_table(replace(supernova(3, "AGN")[0], id="agn", redshift=None)), as_table(pulsator()[0])[:60]]
    table = vstack(curves)
    for kind in ("csv", "ecsv", "parquet", "fits"):
        table.write(place / f"curves.{kind}")


def make_shares(place: Path) -> None:
    _write_csv(place / "shares.csv", [{"class": name, "share": 0.25} for name in HEADER.classes])
    (place / "shares.json").write_text(json.dumps(dict.fromkeys(HEADER.classes, 0.25)))


def make_choices(place: Path) -> None:
    """Write choices of a user's own, copies of ours."""
    ours = Path(str(files("ictconvention") / "conf"))
    for name in ("augmentation/paper", "fold/rotating", "imbalance/focal"):
        (place / "own" / name).parent.mkdir(parents=True)
        shutil.copyfile(ours / f"{name}.yaml", (place / "own" / name).with_name("mine.yaml"))


def _write_csv(path: Path, rows: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


PLAIN: Mapping[str, Callable[[Path], None]] = {
    "survey": make_survey,
    "shards": make_shards,
    "stamps": make_stamps,
    "images": make_images,
    "tao": make_tao,
    "alerts": make_alerts,
    "curves": make_light_curves,
    "shares": make_shares,
    "choices": make_choices,
}
