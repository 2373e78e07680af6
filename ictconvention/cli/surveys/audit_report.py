"""Print what a check of a survey found."""

from collections.abc import Iterable

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ictconvention.cli.surveys.split_report import describe_least, numbers_table
from ictconvention.core.errors import pluralize, shorten
from ictconvention.measuring.audit import SurveyAudit
from ictconvention.survey.growth.states import SHORTEST_HASH
from ictconvention.survey.labels.strata import OF_MASK, OF_REDSHIFT
from ictconvention.survey.labels.targets import ROTATING, SINGLE
from ictconvention.survey.masks.mask_facts import MaskFacts

PERCENTILES = (0, 5, 50, 95, 100)
DEPTHS = (15.0, 30.0)  # [AB mag]; what lies outside is no depth of a telescope


def print_report(report: SurveyAudit, console: Console) -> None:
    """Print a report: size, bands, classes, redshifts, neighbours, the warnings, and the flaws with their fixes."""
    header = report.header
    size = f"{pluralize(len(report.lengths), 'object')}, {pluralize(report.frames, 'frame')}"
    title = f"survey {header.full_name}: {size} in {pluralize(report.shards, 'shard')}"
    console.print(title, style="bold", markup=False, highlight=False)
    if len(report.lineage) > 1:
        console.print(
            f"states, the oldest first: {', '.join(one[:SHORTEST_HASH] for one in report.lineage)}", highlight=False
        )
    stamp = f"{header.stamp_size} x {header.stamp_size} pixels of {header.scale_words}"
    what = "pictures of" if report.pictures else "stamps of"
    console.print(f"{what} {stamp}, {header.dtype}, {header.flux_words}, {report.nonfinite:.3%} not finite")
    console.print(f"how the stamps stand: {header.orientation}", highlight=False)
    console.print(_size_table(report) if report.pictures and report.sizes else _spread_table(report))
    console.print(_band_table(report))
    if report.masks is None or any(name is not None for name, _ in report.classes):
        console.print(_class_table(report))
    if report.masks is not None:
        console.print(_mask_table(report.masks))
    warnings = list(_warnings(report))
    for line in (*_notes(report), *(f"warning: {said}" for said in warnings)):
        console.print(line, soft_wrap=True, markup=False)
    for flaw in report.flaws:
        console.print(f"[bold red]flaw[/bold red]: {escape(str(flaw))}", soft_wrap=True, highlight=False)
    if report.more_flaws:
        console.print(f"[bold red]and {report.more_flaws} flaws more[/bold red]")
    if not report.flaws:
        held = "offsets, ids, classes, bands, time order, finite pixels and checksums hold"
        count = f"[yellow]{pluralize(len(warnings), 'warning')}[/yellow];" if warnings else "[green]no flaw[/green]:"
        console.print(f"{count} {held}", soft_wrap=True)


def _spread_table(report: SurveyAudit) -> Table:
    table = numbers_table("Sequences", "per object", *(_percentile(p) for p in PERCENTILES))
    rows: dict[str, np.ndarray] = {"frames": report.lengths, "days from first to last": report.span}
    for name, values in rows.items():
        table.add_row(name, *(f"{np.percentile(values, p):.4g}" for p in PERCENTILES))
    return table


def _size_table(report: SurveyAudit) -> Table:
    """Return the sizes of the files by class: where they differ, resampling may have left a trace of the class."""
    columns = (f"{side}\n{which}" for side in ("width", "height") for which in ("least", "median", "most"))
    table = numbers_table("Files by class, pixels", "class", *columns)
    for name in (*report.header.classes, None):
        if (sizes := report.sizes.get(name)) is not None:
            table.add_row(_class_name(name), *(f"{side:g}" for side in (*sizes.width, *sizes.height)))
    return table


def _class_name(name: str | None) -> str:
    return "no class" if name is None else escape(name)


def _percentile(p: int) -> str:
    return {0: "least", 50: "median", 100: "most"}.get(p, f"{p} %")


def _band_table(report: SurveyAudit) -> Table:
    unit, of_sky = report.header.flux_words, ("sky\nsigma", "seeing\narcsec", "5 sigma\nAB mag")
    columns = ("frames", "nights\nmissing", "mean", "std", "least", "most", *(() if report.photographs else of_sky))
    table = numbers_table(f"Pixels by band, {unit}", "band", *columns)
    for name, band in report.bands.items():
        nights = band.nights + band.nights_missed
        numbers = (band.mean, band.std, band.lowest, band.highest, band.sky_sigma, band.psf_fwhm)
        shown = [f"{value:.3g}" if np.isfinite(value) else "-" for value in numbers]
        shown.append(f"{band.depth:.2f}" if np.isfinite(band.depth) else "-")
        row = (escape(name), str(band.frames), f"{band.nights_missed / nights:.1%}", *shown)
        table.add_row(*row[: 1 + len(columns)])
    return table


def _class_table(report: SurveyAudit) -> Table:
    sources = sorted({source or "-" for _, source in report.classes})
    table = numbers_table("Classes by label source", "class", *("no source" if s == "-" else s for s in sources), "all")
    names = [name for name in (*report.header.classes, None) if any(cls == name for cls, _ in report.classes)]
    for name in names:
        counts = [report.classes[name, None if source == "-" else source] for source in sources]
        table.add_row(_class_name(name), *map(str, counts), str(sum(counts)))
    return table


def _mask_table(masks: MaskFacts) -> Table:
    """Return the known pixels of each class, and how many chips have one of them."""
    table = numbers_table("Classes of pixels in the masks", "class", "pixels", "share of\nthe known", "chips with it")
    rows = zip(masks.names, masks.pixels.tolist(), masks.shares.tolist(), masks.chips.tolist(), strict=True)
    for name, pixels, share, chips in rows:
        table.add_row(escape(name), str(pixels), f"{share:.2%}" if pixels else "-", str(chips))
    return table


def _notes(report: SurveyAudit) -> Iterable[str]:
    absent = [name for name, band in report.bands.items() if not band.frames]
    if absent:
        yield f"bands without a frame: {', '.join(absent)}"
    if not report.photographs:
        yield from _depth_notes(report)
    if (masks := report.masks) is not None:
        yield f"masks: {masks.said}"
        if unused := [name for name, pixels in zip(masks.names, masks.pixels, strict=True) if not pixels]:
            yield f"classes without a pixel: {', '.join(unused)}"
    unused = [name for name in report.header.classes if not any(cls == name for cls, _ in report.classes)]
    if unused and masks is None:
        yield f"classes without an object: {', '.join(unused)}"
    yield from (f"{name}: {said}" for name, said in report.redshifts.said.items())
    placed = report.without_position < len(report.lengths)
    if any(name is not None for name, _ in report.classes):
        yield f"to train: {describe_least(ROTATING, 5, placed)}"
    elif masks is not None and masks.known:
        yield f"to train on masks: {describe_least(SINGLE, 5, placed, OF_MASK)}"
    elif report.redshifts.redshifts.known:
        yield f"to train on redshifts: {describe_least(SINGLE, 5, placed, OF_REDSHIFT)}"
    if (few := report.too_few) is not None:
        yield f"too few: {few.found}; {few.fix}"
    groups, members = report.neighbours.total(), sum(size * n for size, n in report.neighbours.items())
    near = f"within {report.linking_length:g} arcsec"
    found = f"{pluralize(members, 'object')} in {pluralize(groups, 'group')}; a split keeps each group in one part"
    if not report.pictures or report.without_position < len(report.lengths):
        yield f"neighbours {near}: {found if groups else 'none'}"
    if report.photographs:
        yield "photographs, of no place in the sky: a split keeps equal pixels in one part"
    elif report.without_position:
        unseen = "a split cannot see their neighbours, and keeps equal pixels together"
        yield f"without a position: {pluralize(report.without_position, 'object')}; {unseen}"
    if report.groups:
        yield f"the column group: {pluralize(report.groups, 'group')}; a split keeps each in one part"
    if report.scenes:
        yield f"the column scene: {pluralize(report.scenes, 'scene')}; a split keeps the chips of each in one part"
    if report.same_times:
        yield f"two frames of one band at one time: {shorten(report.same_times)}"
    if report.unjoined:
        yield f"shards that were never joined to the survey: {shorten(report.unjoined)}"
    alike = [ids for place, ids in enumerate(report.same_frames) if place not in report.label_conflicts]
    if alike or not report.label_conflicts:
        twins = shorten(" = ".join(ids) for ids in alike)
        yield f"duplicates, other id with the same frames: {twins or 'none'}"


def _warnings(report: SurveyAudit) -> Iterable[str]:
    """Say what is no flaw of the files, and likely wrong all the same."""
    absurd = [
        f"{name} {band.depth:.1f}"
        for name, band in report.bands.items()
        if np.isfinite(band.depth) and not DEPTHS[0] <= band.depth <= DEPTHS[1]
    ]
    if absurd:
        likely = "the zero point of the fluxes is likely wrong, or they are no nanomaggies"
        yield f"a 5-sigma depth outside {DEPTHS[0]:g} to {DEPTHS[1]:g} AB mag ({', '.join(absurd)}): {likely}"
    if report.label_conflicts:
        pairs = shorten(report.label_conflicts.values())
        yield f"equal pixels and different classes, of which one is wrong: {pairs}"
    yield from report.redshifts.odd
    refusal = report.redshifts.refusal
    if refusal is not None and str(refusal) not in map(str, report.flaws):
        yield f"no redshift of it can be learned: {refusal.found}; {refusal.fix}"


def _depth_notes(report: SurveyAudit) -> Iterable[str]:
    """Say why there is no depth."""
    if report.no_depth:
        yield f"no depth: {report.no_depth}"
    elif without := [name for name, band in report.bands.items() if band.frames and not np.isfinite(band.depth)]:
        yield f"no depth in {', '.join(without)}: the sky noise is unknown, or the seeing too bad to measure a flux"
