"""What a browser would find in a page."""

import base64
from html.parser import HTMLParser


class Page(HTMLParser):
    """A page's text, tables by their cells, attributes as (tag, name, value), and pictures."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.tables: list[list[list[str]]] = []
        self.words: list[str] = []
        self.cell = False
        self.feed(text)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def addresses(self) -> list[str]:
        return [value for _, name, value in self.attributes if name in ("src", "href", "srcset", "data", "action")]

    def pictures(self, kind: str) -> list[bytes]:
        start = f"data:{kind};base64,"
        return [base64.b64decode(one.removeprefix(start)) for one in self.addresses if one.startswith(start)]

    def table(self, first: str) -> list[list[str]]:
        """Return the rows of the table whose first head is this."""
        return next(table for table in self.tables if table[0][0] == first)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attributes]
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
            self.cell = True

    def handle_endtag(self, tag: str) -> None:
        self.cell = self.cell and tag not in ("td", "th")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] in ("style", "script"):
            return
        self.words.append(data)
        if self.cell:
            self.tables[-1][-1][-1] += data
