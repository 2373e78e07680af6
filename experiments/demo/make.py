"""Train the demo of the package on a simulated survey, publish it into the package, and note its digest there.

python -m experiments.demo.make
"""

import argparse
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from ictconvention.applying.publishing.publish import publish
from ictconvention.configuration.compose import compose_run
from ictconvention.configuration.overrides import override
from ictconvention.core.console import lines_on_terminal
from ictconvention.core.errors import report_errors
from ictconvention.runs.published import places
from ictconvention.runs.published.manifest import MANIFEST, digest
from ictconvention.training.run import run

WORDS = (
    *("experiment=frame_transformer_sdss", "name=demo", "profile=laptop_all_frames", "fold=single"),
    *("sequence.max_frames=30", "stage.pretrain.max_epochs=6", "survey.objects=2000", "survey.extra_test=800"),
    "figures=false",
)
MOST = 2_000_000  # [bytes] of all its files


@lines_on_terminal()
def make(runs: str, surveys: str) -> None:
    """Train, publish and note the digest.

    Parameters
    ----------
    runs, surveys : str
        Folders of runs and of simulated surveys.
    """
    words = [*WORDS, override("runs", runs), override("surveys", surveys)]
    folder = run(compose_run(words), words)
    with TemporaryDirectory() as place:
        made = publish(folder, Path(place) / places.DEMO, "mit", "Demo of ictconvention", onnx=False)
        if made.size > MOST:
            raise SystemExit(f"{made.size} bytes, and the demo may have {MOST}")
        shutil.rmtree(places.DEMO_FOLDER, ignore_errors=True)
        shutil.copytree(made.folder, places.DEMO_FOLDER)
    code = Path(places.__file__)
    new = digest((places.DEMO_FOLDER / MANIFEST).read_bytes())
    code.write_text(re.sub(r'DEMO_DIGEST = "\w*"', f'DEMO_DIGEST = "{new}"', code.read_text(encoding="utf-8")), "utf-8")
    print(f"{places.DEMO_FOLDER}: {made.size / 1e6:.2f} MB, {MANIFEST} {new}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the demo as a command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", default="runs", help="folder of the runs")
    parser.add_argument("--surveys", default="surveys", help="folder of simulated surveys")
    given = parser.parse_args(arguments)
    with report_errors():
        make(given.runs, given.surveys)


if __name__ == "__main__":
    main()
