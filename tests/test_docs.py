"""The site of the documentation without Sphinx: every page is in a menu, and what is read off the code is whole."""

import re
import sys
import tomllib
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import ictconvention as ict
from ictconvention.core.error_codes import CODES
from ictconvention.survey.format import FRAME_COLUMNS, OBJECT_COLUMNS
from ictconvention.survey.photometry.table import MEASUREMENTS
from tests.conftest import ROOT

DOCS = ROOT / "docs"
# Pages that the build writes beside those of the repository.
MADE = ("own-network.md", "contributing.md", "code_of_conduct.md", "security.md", "changelog.md")

sys.path.insert(0, str(DOCS / "site"))
import check_html  # type: ignore[import-not-found]  # noqa: E402
import reference_text  # type: ignore[import-not-found]  # noqa: E402


def pages() -> list[Path]:
    """Return the pages that the repository has, and that are no part of another."""
    found = [path for path in DOCS.rglob("*.md") if not {"_build", "generated", "site", "api"} & {*path.parts}]
    return sorted(path for path in found if path.name not in MADE and not is_study(path))


def is_study(path: Path) -> bool:
    return path.parent.name == "studies" and path.name != "index.md"


def menu_of(page: Path) -> set[Path]:
    """Return the pages that the menus of a page name."""
    found: set[Path] = set()
    for menu in re.findall(r"```\{toctree\}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL):
        for line in (line.strip() for line in menu.splitlines() if line.strip() and not line.startswith(":")):
            named = page.parent / f"{line}.md"
            found |= set(page.parent.glob(f"{line}.md")) if "*" in line else {named}
    return found


def test_every_page_is_in_a_menu() -> None:
    reached, waiting = set[Path](), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in reached or not page.exists():
            continue
        reached.add(page)
        waiting += menu_of(page)
    assert set(pages()) - reached == set()
    assert len(reached) > 25


def test_every_page_of_a_menu_is_there_or_is_made() -> None:
    for page in pages():
        for named in menu_of(page):
            assert named.exists() or named.name in MADE, (page, named)


def test_every_public_name_is_in_the_reference_once() -> None:
    listed = re.findall(r"^   (\w+)$", (DOCS / "reference" / "api.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(ict.__all__)


def test_every_command_and_option_is_in_the_reference() -> None:
    text = reference_text.commands_page()
    commands = dict(reference_text.commands())
    assert {"ictconvention train", "ictconvention ingest ztf", "ictconvention predict"} <= commands.keys()
    for words, command in commands.items():
        section = text.split(f"## {words}\n")[1].split("\n## ")[0]
        assert command.help.split("\n")[0].split(":")[0] in section
        for option in (one for one in command.params if one.param_type_name == "option" and not one.hidden):
            assert option.opts[-1] in section


def test_every_key_of_every_choice_is_in_the_reference() -> None:
    text = reference_text.configuration_page()
    for path in sorted((ROOT / "conf").glob("*/*.yaml")):
        if path.parent.name in ("experiment", "profile"):  # shown whole
            assert f"### {path.parent.name}={path.stem}\n" in text
            continue
        for key in map(str, OmegaConf.load(path)):
            assert re.search(rf"`{path.parent.name}\.{key}[.`]", text), key
    root = set(map(str, OmegaConf.load(ROOT / "conf" / "train.yaml"))) - {"defaults", "hydra"}
    for key in root:
        assert re.search(rf"`{key}[.`]", text), key


def test_a_key_says_its_type_its_range_and_whether_it_makes_another_run() -> None:
    rows = {
        line.split("|")[1].strip(): line for line in reference_text.configuration_page().splitlines() if "|" in line
    }
    assert rows["`trainer.batch_size`"].rstrip(" |").endswith("integer, above 0 | yes")
    assert rows["`trainer.devices`"].rstrip(" |").endswith("integer, above 0 | no")
    assert rows["`views.target_share`"].rstrip(" |").endswith("number, above 0, at most 1 | yes")
    assert rows["`model.dropout`"].rstrip(" |").endswith("number, at least 0, below 1 | yes")
    assert all(line.split("|")[4].strip() for key, line in rows.items() if key.startswith("`model."))


def test_every_error_has_its_row() -> None:
    text = reference_text.errors_page()
    assert sorted(re.findall(r"^\| `(E-[A-Z-]+)` \|", text, re.MULTILINE)) == sorted(CODES)


def test_every_column_of_a_survey_is_described() -> None:
    text = (DOCS / "reference" / "columns.md").read_text()
    for name in (*OBJECT_COLUMNS, *FRAME_COLUMNS, *MEASUREMENTS.names):
        assert f"`{name}`" in text


@pytest.mark.parametrize(
    ("link", "faults"),
    [("b.html", 0), ("b.html#here", 0), ("b.html#nowhere", 1), ("c.html", 1), ("#own", 0), ("https://example.org", 0)],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str, faults: int) -> None:
    (tmp_path / "a.html").write_text(f'<p id="own"><a href="{link}">a</a><a href="b.html">b</a></p>')
    (tmp_path / "b.html").write_text('<h1 id="here">b</h1>')
    count, found = check_html.find_faults(tmp_path)
    assert len(found) == faults
    assert count == (1 if "://" in link else 2)


def test_a_page_asks_for_nothing_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text('<script src="https://example.org/a.js"></script>')
    assert len(check_html.find_faults(tmp_path)[1]) == 1


def test_the_wheel_leaves_out_the_site_and_the_source_has_it() -> None:
    targets = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]
    assert "/docs" in targets["sdist"]["include"]
    assert not [name for name in targets["wheel"]["packages"] if "docs" in name]
