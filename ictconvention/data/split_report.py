"""Print a split: how many objects of each class are in each part."""

from rich.box import SIMPLE_HEAD
from rich.table import Table

from ictconvention.data.split import Split
from ictconvention.data.survey_format import SurveyHeader


def counts_table(split: Split, header: SurveyHeader) -> Table:
    """Return the split as Table 1 of the paper has it: a row per class, a column per part."""
    rule = split.rule
    title = f"fold {rule['index']} of {rule['count']}, {rule['protocol']}, seed {rule['seed']}" if rule else "own split"
    kind = "simulated survey" if header.simulated else "survey"
    title = f"{kind} {header.name}: {title}"
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("class")
    for part in split.parts:
        table.add_column(part.replace("_", "\n"), justify="right")
    counts = split.counts()
    for name in (*header.classes, None):
        row = [counts[part][name] for part in split.parts]
        if any(row):
            table.add_row("(unlabelled)" if name is None else name, *map(str, row))
    table.add_section()
    table.add_row("all", *(str(counts[part].total()) for part in split.parts))
    return table
