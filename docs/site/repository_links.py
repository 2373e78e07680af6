"""Links of the pages that leave docs/: to a study's page where the site has one, else to a copy of the file.

On a page in the repository such a link leads to the file itself; a site has no repository beside it.
"""

import os
import posixpath
import re
from pathlib import Path

from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
PROJECT = ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "SECURITY.md", "CHANGELOG.md")  # pages of the site as they are
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
CODE = re.compile(r"(^```(?!\{).*?^```)", re.MULTILINE | re.DOTALL)  # of directives the text is text


def page_of(path: str) -> str | None:
    """Return the page of the site that shows a file of the repository, from the site's root; None: it has none."""
    if path == "examples/README.md":
        return "/guides/own-network.md"
    if path in PROJECT:
        return f"/project/{path.lower()}"
    if path == "ictconvention/runs/published/demo/README.md":
        return "/studies/demo_card.md"
    if study := re.fullmatch(r"experiments/(\w+)/README\.md", path):
        return f"/studies/{study[1]}.md"
    if study := re.fullmatch(r"experiments/(\w+)/SCALE\.md", path):
        return f"/studies/{study[1]}_scale.md"
    return None


def follow(text: str, folder: str, page_folder: str) -> str:
    """Return a page whose links out of docs/ work on the site.

    Parameters
    ----------
    text : str
        The page, in Markdown.
    folder, page_folder : str
        Where its links start, and where the page stands, both from the root of the repository.
    """

    def link(match: re.Match[str]) -> str:
        image, words, target = match.groups()
        place, _, anchor = target.partition("#")
        if "://" in target or target.startswith(("/", "mailto:", "path:", "#")) or not place:
            return match[0]
        path = posixpath.normpath(posixpath.join(folder, place))
        words = LINK.sub(link, words)
        if path.startswith("docs/") and not (ROOT / path).is_dir():
            target = os.path.relpath(path, page_folder) + (f"#{anchor}" if anchor else "")
        elif page := page_of(path):
            target = page + (f"#{anchor}" if anchor else "")
        elif (ROOT / path).is_dir():
            readme = page_of(f"{path}/README.md") if (ROOT / path / "README.md").exists() else None
            if readme is None:
                return words  # a folder is nothing that a site can show
            target = readme
        else:
            target = ("path:" if path.endswith(".md") else "") + os.path.relpath(path, page_folder)
        return f"{image}[{words}]({target})"

    return "".join(part if number % 2 else LINK.sub(link, part) for number, part in enumerate(CODE.split(text)))


def follow_links(app: Sphinx, docname: str, source: list[str]) -> None:
    """Rewrite the links of a page as it is read."""
    if Path(app.env.doc2path(docname)).suffix == ".md":
        folder = posixpath.normpath(posixpath.join("docs", posixpath.dirname(docname)))
        source[0] = follow(source[0], folder, folder)


def setup(app: Sphinx) -> dict[str, bool]:
    """Join the build."""
    app.connect("source-read", follow_links)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
