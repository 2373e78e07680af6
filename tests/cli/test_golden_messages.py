"""Ten messages as a user sees them, letter by letter; all other tests ask for type, code, place and facts alone."""

import sys
from pathlib import Path

import pytest

from ictconvention.cli.main import main
from ictconvention.configuration.composing.folders import config_folder
from tests.conftest import image_series, write_survey

EXPERIMENTS = sorted(path.stem for path in (config_folder() / "experiment").glob("*.yaml"))
GOLDEN = {
    "train learner.taau=0.9": """\
error: unknown key 'learner.taau' (did you mean learner.tau?)
  where: learner.taau
  fix:   correct its name, or leave it out
  code:  E-CONFIG-UNKNOWN
""",
    "train experiment=ict_sds": f"""\
error: experiment has no choice 'ict_sds' (did you mean ict_sdss?)
  where: {config_folder()}/experiment
  fix:   choose {", ".join(EXPERIMENTS)}
  code:  E-CONFIG-CHOICE
""",
    "train experiment=ict_sdss learner.tau=2": """\
error: learner.tau is 2
  where: learner.tau
  fix:   take a number: at least 0 and at most 1
  code:  E-CONFIG-VALUE
""",
    "train experiment = ict_sdss": """\
error: there is a space beside an equals sign
  where: experiment =
  fix:   write experiment=ict_sdss
  code:  E-CONFIG-SYNTAX
""",
    "train survey=path survey.path=nowhere": """\
error: no such survey folder
  where: nowhere
  fix:   check survey.path
  code:  E-SURVEY-MISSING
""",
    "show survey sn003": """\
error: no object has the id 'sn003' (did you mean sn0039?)
  where: survey
  fix:   choose one of its 40 ids, such as sn0039, sn0038, sn0037
  code:  E-ID-UNKNOWN
""",
    "split survey --index 7": """\
error: fold.index is 7 where fold.count is 5
  where: the fold
  fix:   choose 0 to 4
  code:  E-SPLIT-RULE
""",
    "simulate survey": """\
error: this path exists already
  where: survey
  fix:   choose another path, or remove it
  code:  E-FILES-EXISTS
""",
    "ingest stamps table.csv new --pixel-scale 0.4": """\
error: the table lacks the column id, file, band, mjd
  where: table.csv
  fix:   say which it is, --column id=NAME, or add it; there are name, ra
  code:  E-TABLE-COLUMN
""",
    "export unfinished -o model.onnx": """\
error: this run is not finished
  where: unfinished
  fix:   finish it: give the command again that began it
  code:  E-RUN-UNFINISHED
""",
}


@pytest.mark.parametrize("words", GOLDEN)
def test_a_message_is_as_it_stands_here(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    write_survey(tmp_path / "survey", [image_series(number, 5) for number in range(40)])
    (tmp_path / "table.csv").write_text("name,ra\na,1\n")
    (tmp_path / "unfinished").mkdir()
    (tmp_path / "unfinished" / "config.yaml").write_text("name: run\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["ictconvention", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.replace(f"{tmp_path}/", "") == GOLDEN[words]
