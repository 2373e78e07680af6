"""Damaged inputs and killed commands: what became of each, counted.

    python -m experiments.faults [--cases 3000] [--kills 200] [--seed 0] [--kind KIND] [--jobs 2] [--results FOLDER]
    python -m experiments.faults --case KIND:SEED     this case alone, with all that its command said
    python -m experiments.faults --kill KIND:SEED     this kill alone

Ends with exit code 1 where there was a fault: a traceback, a hang, something half-written or silently wrong.
"""

import argparse
import gc
import signal
import sys
import tempfile
import warnings
from importlib import import_module
from pathlib import Path

PRELOADED = (  # what commands import when they run
    *("ictconvention.cli.main", "ictconvention.training.run", "ictconvention.training.retest", "sklearn.ensemble"),
    *("ictconvention.applying.apply", "ictconvention.applying.early", "ictconvention.reporting.page"),
    *("ictconvention.ingestion.kinds", "ictconvention.api.surveys", "ictconvention.cli.surveys.audit_report"),
    *("ictconvention.drawing.film_strip", "ictconvention.sweeping.processes", "ictconvention.cli.surveys.split_report"),
    *("ictconvention.cli.train", "ictconvention.cli.flags", "ictconvention.networks.convention", "sklearn.manifold"),
    *("ictconvention.networks.light_curve", "ictconvention.networks.recurrent", "sklearn.isotonic", "sklearn.cluster"),
    *("matplotlib.backends.backend_agg", "matplotlib.backends.backend_svg", "photutils.background"),
    *("photutils.aperture", "ictconvention.sweeping.cluster", "ictconvention.files.avro_file", "pyarrow.acero"),
    *("ictconvention.applying.export", "ictconvention.simulation.simulate", "ictconvention.evaluation.ceiling"),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", help="of the cases and kills; may be given several times")
    parser.add_argument("--jobs", type=int, default=1, help="cases at once")
    parser.add_argument("--case", metavar="KIND:SEED")
    parser.add_argument("--kill", metavar="KIND:SEED")
    parser.add_argument("--folder", type=Path, help="where inputs are made, and kept (default: a temporary folder)")
    parser.add_argument("--results", type=Path, help="folder for the counts, and a list of the faults")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in PRELOADED:
        import_module(name)
    gc.collect()
    gc.freeze()  # what was imported: a copy of this process shall not touch it
    if options.folder is not None:
        options.folder.mkdir(parents=True, exist_ok=True)
        sys.exit(take(options, options.folder.resolve()))
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(take(options, Path(folder)))


def take(options: argparse.Namespace, folder: Path) -> int:
    """Take the cases and kills that were asked for, and return the exit code."""
    from experiments.faults.campaign import Campaign, deal_out, take_side_by_side
    from experiments.faults.counts import FAULTS, counts_of, print_counts, save_counts
    from experiments.faults.every_kind import KINDS

    if one := options.case or options.kill:
        name, _, seed = one.partition(":")
        campaign = Campaign(folder)
        campaign.make_inputs([KINDS[name]])
        verdict = campaign.kill(name, int(seed)) if options.kill else campaign.take(name, int(seed), show=True)
        print(verdict)
        return int(verdict.outcome in FAULTS)
    chosen = [KINDS[name] for name in options.kind or KINDS]
    Campaign(folder).make_inputs(chosen)
    damaged = list(deal_out({kind.name: kind.share for kind in chosen}, options.cases, options.seed))
    killed = list(deal_out({kind.name: kind.kills for kind in chosen}, options.kills, options.seed))
    cases = take_side_by_side("take", damaged, folder, options.jobs)
    kills = take_side_by_side("kill", killed, folder, options.jobs)
    for title, verdicts in (("cases", cases), ("kills", kills)):
        if verdicts:
            print_counts(title, counts_of(verdicts))
        if options.results is not None:
            save_counts(options.results, title, verdicts)
    return int(any(one.outcome in FAULTS for one in (*cases, *kills)))


if __name__ == "__main__":
    main()
