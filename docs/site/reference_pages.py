"""Write the pages that are read off the repository, before Sphinx reads any: the reference's, and the studies'."""

from pathlib import Path

import reference_text
from repository_links import PROJECT, ROOT, follow
from sphinx.application import Sphinx

DOCS = ROOT / "docs"


def write(path: Path, text: str) -> None:
    """Write a page unless it is there as it is, so that Sphinx reads no page again for nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write_pages(app: Sphinx) -> None:
    """Write all of them."""
    for name in ("commands", "configuration", "errors"):
        write(DOCS / "generated" / f"{name}.md", getattr(reference_text, f"{name}_page")())
    for page in sorted((ROOT / "experiments").glob("*/*.md")):
        study = page.parent.name
        name = study if page.name == "README.md" else f"{study}_{page.stem.lower()}"
        source = page.relative_to(ROOT).as_posix()
        note = f"\n*This page is `{source}` of the repository, where its programs and results lie too.*\n"
        write(DOCS / "studies" / f"{name}.md", follow(page.read_text(), f"experiments/{study}", "docs/studies") + note)
    write(
        DOCS / "guides" / "own-network.md",
        follow((ROOT / "examples" / "README.md").read_text(), "examples", "docs/guides"),
    )
    card = "ictconvention/runs/published/demo"
    text = (ROOT / card / "README.md").read_text().split("---\n", 2)[-1]  # without the head that model hubs read
    write(DOCS / "studies" / "demo_card.md", follow(text, card, "docs/studies"))
    for name in PROJECT:
        write(DOCS / "project" / name.lower(), follow((ROOT / name).read_text(), ".", "docs/project"))


def setup(app: Sphinx) -> dict[str, bool]:
    """Join the build."""
    app.connect("builder-inited", write_pages, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
