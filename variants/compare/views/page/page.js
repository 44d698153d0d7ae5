// Wires the page: charts and their colours, the choice of a load, tables that sort.
"use strict";
(() => {
  const { figures, templates } = JSON.parse(document.getElementById("figures").textContent);
  const charts = [...document.querySelectorAll(".chart")];
  const load = document.getElementById("load");
  const button = document.getElementById("theme");
  const narrow = matchMedia("(max-width: 48rem)"); // as in the style sheet
  const system = matchMedia("(prefers-color-scheme: dark)");
  const config = {
    displaylogo: false,
    showSendToCloud: false,
    responsive: true,
    modeBarButtons: [["toImage", "zoom2d", "pan2d", "resetScale2d"]],
  };
  let chosen = null; // by the button; until then the system's

  const theme = () => chosen ?? (system.matches ? "dark" : "light");

  // Plotly keeps what it is given and adds to it, hence the copy.
  const draw = (chart, wanted, changes = {}, small = narrow.matches) => {
    const variants = figures[chart.id];
    const { data, layout } = structuredClone((variants[""] ?? variants[load.value])[wanted]);
    if (small) Object.assign(layout, layout.meta?.narrow);
    chart.style.height = `${layout.height}px`;
    const fixed = layout.dragmode === false; // nothing to zoom into
    return Plotly.react(chart, data, { ...layout, template: templates[wanted], ...changes }, { ...config, displayModeBar: fixed || small ? false : "hover" });
  };

  const show = () => {
    document.documentElement.dataset.theme = theme();
    button.querySelector(".to").textContent = theme() === "dark" ? "Light" : "Dark";
    charts.forEach((chart) => draw(chart, theme()));
  };

  button.addEventListener("click", () => {
    chosen = theme() === "dark" ? "light" : "dark";
    show();
  });
  system.addEventListener("change", show);
  narrow.addEventListener("change", show);
  load?.addEventListener("change", show);

  // Paper is light, and as wide as it is.
  addEventListener("beforeprint", () => {
    charts.forEach((chart) => draw(chart, "light", { width: chart.closest(".side-by-side") ? 340 : 690 }, false));
  });
  addEventListener("afterprint", show);

  // Numbers by size, texts as people sort them; what is empty comes last either way.
  const compare = (a, b) => {
    const [x, y] = [Number(a), Number(b)];
    return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
  };
  const sort = (head) => {
    const down = head.ariaSort === "ascending";
    for (const other of head.parentElement.cells) other.ariaSort = "none";
    head.ariaSort = down ? "descending" : "ascending";
    const body = head.closest("table").tBodies[0];
    const key = (row) => row.cells[head.cellIndex].dataset.key;
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === undefined || y === undefined) return (x === undefined) - (y === undefined);
      return down ? compare(y, x) : compare(x, y);
    });
    body.append(...rows);
  };
  for (const head of document.querySelectorAll("th")) {
    head.firstElementChild.addEventListener("click", () => sort(head));
  }

  show();
})();
