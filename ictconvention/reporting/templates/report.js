// Sort a table by the column whose head is clicked: numbers from the largest, words from A; again, the other way.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const heads = [...table.querySelectorAll("thead th")];
  const number = (row, column) => {
    const { number } = row.cells[column].dataset;
    return number === undefined ? null : Number(number);
  };
  heads.forEach((head, column) => {
    const numeric = [...body.rows].some((row) => number(row, column) !== null);
    const button = document.createElement("button");
    button.type = "button";
    button.className = "sort";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const before = head.getAttribute("aria-sort");
      const up = before === null ? !numeric : before === "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const order = (a, b) => {
        const [x, y] = [number(a, column), number(b, column)];
        if (x === null && y === null) {
          const words = a.cells[column].textContent.localeCompare(b.cells[column].textContent, "en", { numeric: true });
          return up ? words : -words;
        }
        if (x === null || y === null) return x === null ? 1 : -1; // what has no number comes last
        return up ? x - y : y - x;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
