"""What is said of the project outside the code: versions, requirements, links, targets and numbers agree everywhere."""

import json
import os
import re
import shutil
import subprocess
import tomllib
import zipfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hatchling import build as hatchling
from hatchling.builders.plugin.interface import BuilderInterface
from hatchling.builders.sdist import SdistBuilder
from hatchling.builders.wheel import WheelBuilder
from typer.main import get_command

import ictconvention
from ictconvention.cli.main import app
from tests.conftest import ROOT

PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
FORMS = [path for path in sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")) if path.stem != "config"]
PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md")]
PAGES += [ROOT / ".github" / "pull_request_template.md", ROOT / "paper" / "paper.md"]
IMAGES = [ROOT / "Dockerfile", ROOT / "Apptainer.def"]
RECIPE = ROOT / "recipe" / "recipe.yaml"
NAMES_OF_CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base"}  # all others are called as on PyPI
JOSS = (  # what a paper must have, in this order
    *("Summary", "Statement of need", "State of the field", "Software design", "Research impact statement"),
    *("AI usage disclosure", "Acknowledgements", "References"),
)


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def text_of(path: Path | str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def read_yaml(path: Path | str) -> Any:
    return yaml.safe_load(text_of(path))


def requirements() -> dict[str, str]:
    """Return the versions that each requirement may have, by its name."""
    found = [re.fullmatch(r"([\w-]+)(\S*)", line) for line in PROJECT["dependencies"]]
    return {one[1]: one[2] for one in found if one is not None}


def pythons() -> list[str]:
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in PROJECT["classifiers"])
    return [one[1] for one in found if one is not None]


def paper() -> tuple[dict[str, Any], str]:
    _, head, body = text_of("paper/paper.md").split("---\n", 2)
    return yaml.safe_load(head), body


# Versions and requirements.


def test_the_version_is_the_same_everywhere() -> None:
    headings = re.findall(r"^## \[?([^\s\]]+)", text_of("CHANGELOG.md"), flags=re.MULTILINE)
    said = {
        "CITATION.cff": read_yaml("CITATION.cff")["version"],
        "codemeta.json": json.loads(text_of("codemeta.json"))["version"],
        "recipe": read_yaml(RECIPE)["context"]["version"],
        "changelog": headings[0],
        "Apptainer": re.findall(r"image\.version (\S+)", text_of("Apptainer.def"))[0],
    }
    assert said == dict.fromkeys(said, ictconvention.__version__)


def test_the_recipe_has_the_requirements_of_the_package() -> None:
    recipe = read_yaml(RECIPE)
    run = dict(line.split(" ", 1) for line in recipe["requirements"]["run"])
    lowest = PROJECT["requires-python"].split(",")[0].removeprefix(">=")
    assert recipe["context"]["python_min"] == lowest == min(pythons(), key=lambda one: int(one[2:]))
    assert run.pop("python").replace("${{ python_min }}", lowest) == PROJECT["requires-python"]
    assert run == {NAMES_OF_CONDA.get(one, one): bound for one, bound in requirements().items()}
    host = {line.replace(" ", "") for line in recipe["requirements"]["host"]}
    assert set(tomllib.loads(text_of("pyproject.toml"))["build-system"]["requires"]) < host


def test_the_recipe_makes_the_commands_of_the_package() -> None:
    recipe = read_yaml(RECIPE)
    scripts = [f"{one} = {where}" for one, where in PROJECT["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    assert (ROOT / "recipe" / recipe["source"]["path"] / "pyproject.toml").samefile(ROOT / "pyproject.toml")
    assert recipe["about"]["license"] == PROJECT["license"]
    assert recipe["about"]["summary"] == PROJECT["description"]


def test_codemeta_says_what_the_package_says() -> None:
    known = json.loads(text_of("codemeta.json"))
    assert {one["name"]: one["version"] for one in known["softwareRequirements"]} == requirements()
    assert known["programmingLanguage"]["version"] == PROJECT["requires-python"]
    assert (known["description"], known["keywords"]) == (PROJECT["description"], PROJECT["keywords"])
    assert known["license"].endswith(f"/{PROJECT['license']}")
    assert [one["name"] for one in known["author"]] == [one["name"] for one in PROJECT["authors"]]


def test_all_who_cite_the_papers_name_the_same_authors() -> None:
    cited = read_yaml("CITATION.cff")
    assert [one["name"] for one in cited["authors"]] == [one["name"] for one in PROJECT["authors"]]
    references = {one["title"]: one for one in cited["references"]}
    bibliography = text_of("paper/paper.bib")
    publications = json.loads(text_of("codemeta.json"))["referencePublication"]
    assert len(publications) == 2
    for paper_ in publications:
        people = [(one["familyName"], one["givenName"]) for one in paper_["author"]]
        reference = references[paper_["name"]]
        assert people == [(one["family-names"], one["given-names"]) for one in reference["authors"]]
        assert " and ".join(f"{family}, {given}" for family, given in people) in bibliography
        assert paper_["datePublished"] == str(reference["year"])
        assert reference.get("doi", reference.get("url")) in paper_.get("@id", paper_.get("url"))


# Checks, forms and pages.


def jobs() -> dict[str, dict[str, Any]]:
    return {job: content for path in WORKFLOWS for job, content in read_yaml(path)["jobs"].items()}


def test_the_checks_run_on_every_python_of_the_package() -> None:
    assert jobs()["tests"]["strategy"]["matrix"]["python"] == pythons()
    chosen = re.findall(r"python(?:-version: \"|)(3\.\d+)", "".join(text_of(path) for path in WORKFLOWS))
    assert set(chosen) <= set(pythons())


def test_only_pre_releases_may_fail() -> None:
    lenient = [job for job, content in jobs().items() if content.get("continue-on-error")]
    assert lenient == ["prereleases"]
    assert all("timeout-minutes" in content for content in jobs().values())
    assert all(read_yaml(path)["permissions"] == {"contents": "read"} for path in WORKFLOWS)


@pytest.mark.parametrize("path", [*PAGES, *WORKFLOWS, *FORMS], ids=name)
def test_what_make_is_asked_for_it_can_make(path: Path) -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):.*## ", text_of("Makefile"), flags=re.MULTILINE))
    assert {"test", "test-lowest", "lint"} < targets
    if not (ROOT / "docs" / "conf.py").exists():
        targets.add("docs")  # of the site, which a clone may be without
    text = re.sub(r"\$\{\{.*?\}\}", "VALUE", text_of(path))
    asked = re.findall(r"(?:`|run: |^)make((?: [A-Z]+=\S+)*) ([a-z][a-z0-9-]*)", text, flags=re.MULTILINE)
    assert {target for _, target in asked} <= targets


@pytest.mark.parametrize("path", [*PAGES, *FORMS, *IMAGES, RECIPE], ids=name)
def test_commands_of_ours_exist(path: Path) -> None:
    commands = set(get_command(app).commands)  # type: ignore[attr-defined] # a group has commands
    assert "predict" in commands
    words = r"(?:`|- |^#.* |^ +|exec )(?:ictconvention|ictconvention(?::gpu|\.sif|-gpu\.sif)) ([a-z][a-z-]+)\b(?! = )"
    assert set(re.findall(words, text_of(path), flags=re.MULTILINE)) <= commands


@pytest.mark.parametrize("path", [*PAGES, ROOT / "CHANGELOG.md"], ids=name)
def test_links_lead_to_files(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(path))
    for link in links:
        if not link.startswith("https://"):
            assert (path.parent / link.partition("#")[0]).exists(), link


@pytest.mark.parametrize("path", FORMS, ids=name)
def test_a_form_asks_each_thing_once(path: Path) -> None:
    form = read_yaml(path)
    assert form["name"]
    assert form["description"]
    ids = Counter(one["id"] for one in form["body"] if one["type"] != "markdown")
    assert set(ids.values()) == {1}
    assert any(one.get("validations", {}).get("required") for one in form["body"])
    assert {one["type"] for one in form["body"]} <= {"markdown", "textarea", "input", "dropdown", "checkboxes"}


# Images.


def copied(path: Path) -> list[str]:
    """Return the files and folders that an image gets of the repository."""
    text = text_of(path)
    if path.suffix == ".def":
        part = text.split("%files\n")[1].split("\n\n")[0]
        return [line.split()[0] for line in part.splitlines()]
    return [word for line in re.findall(r"^COPY (.+)$", text, flags=re.MULTILINE) for word in line.split()[:-1]]


def installed(path: Path) -> str:
    found = re.findall(r"pip install (.+?)(?:;.*)?$", text_of(path), flags=re.MULTILINE)
    assert len(found) == 1
    return str(found[0])


@pytest.mark.parametrize("path", IMAGES, ids=name)
def test_what_an_image_copies_makes_the_package(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for one in copied(path):
        if (ROOT / one).is_dir():
            shutil.copytree(ROOT / one, source / one, symlinks=path.suffix != ".def")  # Apptainer follows links
        else:
            shutil.copy(ROOT / one, source / one)
    monkeypatch.chdir(source)
    made = zipfile.ZipFile(tmp_path / hatchling.build_wheel(str(tmp_path)))
    assert {"ictconvention/conf/train.yaml", "ictconvention/runs/published/demo/model.safetensors"} < {*made.namelist()}
    words = installed(path)
    assert re.findall(r"--constraint (\S+)", words)[0] in copied(path)
    extras = re.findall(r"\.\[(.+)\]", words)[0].split(",")
    assert set(extras) <= set(PROJECT["optional-dependencies"])


def test_both_images_are_the_same_and_run_the_command() -> None:
    docker, apptainer = IMAGES
    assert sorted(copied(docker)) == sorted(copied(apptainer))
    assert installed(docker) == installed(apptainer)
    bases = [re.findall(r"^F(?:ROM|rom:) (\S+)$", text_of(path), flags=re.MULTILINE) for path in IMAGES]
    assert bases[0] == bases[1]
    assert re.findall(r"python:(3\.\d+)-slim", bases[0][0])[0] in pythons()
    entered = re.findall(r'(?:ENTRYPOINT \["|exec )([\w-]+)', "".join(map(text_of, IMAGES)))
    assert entered == [*PROJECT["scripts"]] * 2
    let_through = [line[1:] for line in text_of(".dockerignore").splitlines() if line.startswith("!")]
    assert sorted(let_through) == sorted(copied(docker))


@pytest.mark.skipif(shutil.which("sh") is None, reason="there is no shell")
@pytest.mark.parametrize("device", ["cpu", "gpu", "tpu"])
@pytest.mark.parametrize("path", IMAGES, ids=name)
def test_an_image_is_for_processors_or_for_gpus(path: Path, device: str, tmp_path: Path) -> None:
    text = text_of(path)
    if path.suffix == ".def":
        script = text.split("%post\n")[1].split("\n%test")[0].replace("{{ DEVICE }}", device)
    else:
        script = text.split("RUN ")[1].split("\nRUN ")[0].split("\nUSER ")[0].replace("\\\n", "\n")
    script = re.sub(r"\bcd \S+", "true", script).replace("/var/lib/apt/lists", str(tmp_path / "lists"))
    for program in ("apt-get", "pip", "ictconvention"):
        (tmp_path / program).write_text(f'#!/bin/sh\necho "{program} $@" >> "{tmp_path}/said"\n')
        (tmp_path / program).chmod(0o755)
    given = {"PATH": f"{tmp_path}:{os.defpath}", "DEVICE": device}
    ended = subprocess.run(["sh", "-c", script], env=given, capture_output=True, text=True)
    if device == "tpu":
        assert ended.returncode == 2
        assert "take cpu or gpu" in ended.stderr
        return
    assert ended.returncode == 0, ended.stderr
    (pip,) = [line for line in (tmp_path / "said").read_text().splitlines() if line.startswith("pip ")]
    assert ("whl/cpu" in pip) == (device == "cpu")


# The source archive.


def held_by(builder: type[BuilderInterface[Any, Any]]) -> set[str]:
    """Return the files that an archive will hold."""
    return {str(one.distribution_path) for one in builder(str(ROOT)).recurse_included_files()}


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no clone, so that nobody knows what belongs to it")
def test_the_source_archive_holds_what_is_tracked() -> None:
    command = ["git", "ls-files", "-z"]
    tracked = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0")
    links = {one for one in tracked if (ROOT / one).is_symlink()}
    assert {one for one in tracked if one} - links - {".gitattributes"} <= held_by(SdistBuilder) | {".gitignore"}


def test_a_wheel_of_the_source_archive_is_that_of_the_clone() -> None:
    wheel = held_by(WheelBuilder)
    assert "ictconvention/conf/train.yaml" in wheel
    assert wheel <= held_by(SdistBuilder)


# The paper.


def test_the_paper_has_the_form_of_joss() -> None:
    head, body = paper()
    headings = re.findall(r"^# (.+)$", body, flags=re.MULTILINE)
    assert [one for one in headings if one in JOSS] == list(JOSS)
    assert 750 <= len(body.split()) <= 1750
    assert set(head) >= {"title", "tags", "authors", "affiliations", "date", "bibliography"}
    assert re.fullmatch(r"\d{1,2} [A-Z][a-z]+ 20\d\d", head["date"])
    places = {str(one["index"]) for one in head["affiliations"]}
    assert {place for one in head["authors"] for place in one["affiliation"].split(",")} == places


def test_the_paper_cites_its_whole_bibliography() -> None:
    head, body = paper()
    entries = re.findall(r"^@\w+\{([^,]+),$", text_of(f"paper/{head['bibliography']}"), flags=re.MULTILINE)
    assert max(Counter(entries).values()) == 1
    assert set(re.findall(r"@([A-Za-z]\w*)", body)) == set(entries)


def test_numbers_of_the_paper_stand_in_the_study_that_they_name_and_say_that_they_are_simulated() -> None:
    _, body = paper()
    pieces = re.split(r"\n\n|\n(?=- )", body)
    number = r"(?<![\w.])\d+\.\d+(?![\w.]*\d)|\b\d \d{3}\b"
    with_numbers = [piece for piece in pieces if re.search(number, piece)]
    assert len(with_numbers) >= 5
    for piece in with_numbers:
        (study,) = re.findall(r"`experiments/([a-z0-9_]+)`", piece)
        known = text_of(f"experiments/{study}/README.md")
        for one in re.findall(number, piece):
            assert re.search(rf"(?<![\d.]){re.escape(one)}(?!\.?\d)", known), f"{one}: experiments/{study}/README.md"
        assert "simulated" in piece or study in ("faults", "speed")
