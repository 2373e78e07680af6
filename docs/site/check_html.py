"""Check the built site without a network: every link within it leads to a file, and every anchor is there.

python docs/site/check_html.py docs/_build/html
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

FOLLOWED = {"a": "href", "link": "href", "img": "src", "script": "src", "source": "src"}


class Page(HTMLParser):
    """The links and the anchors of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[tuple[str, str]] = []  # tag and target
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a tag leads, and its name."""
        given = dict(attrs)
        self.anchors |= {value for key in ("id", "name") if (value := given.get(key))}
        if (target := given.get(FOLLOWED.get(tag, ""))) is not None:
            self.links.append((tag, target))


def find_faults(site: Path) -> tuple[int, list[str]]:
    """Return how many links were followed, and each fault in words."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    pages = {path: page for path, page in pages.items() if "_static" not in path.parts}  # templates of the theme
    count, faults = 0, []
    for path, page in pages.items():
        for tag, target in page.links:
            parts = urlsplit(target)
            here = path.relative_to(site)
            if parts.scheme or parts.netloc:
                if tag != "a":  # a picture, style or script that a reader without a network would not get
                    faults.append(f"{here}: {tag} from elsewhere: {target}")
                continue
            count += 1
            to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            to = to / "index.html" if to.is_dir() else to
            if not to.exists():
                faults.append(f"{here}: no such file: {target}")
            elif parts.fragment and to in pages and unquote(parts.fragment) not in pages[to].anchors:
                faults.append(f"{here}: no such anchor: {target}")
    return count, faults


def main() -> int:
    """Report what was followed; 1 where a link leads nowhere."""
    count, faults = find_faults(Path(sys.argv[1]).resolve())
    print("\n".join([*faults, f"{count} links within the site followed, {len(faults)} lead nowhere"]))
    return bool(faults) or not count


if __name__ == "__main__":
    sys.exit(main())
