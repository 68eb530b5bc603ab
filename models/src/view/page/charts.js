// Drawings of numbers: lines over an axis, bars, and parts of a whole. Each has its numbers as a table beside it.
(() => {
  const { el, svg } = aloe;
  const WIDTH = 680, HEIGHT = 250, LEFT = 48, RIGHT = 14, TOP = 12, BOTTOM = 40;

  const steps = (least, most, wanted) => {
    if (!(most > least)) return [least, least + 1];
    const rough = (most - least) / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((part) => part * power).find((part) => part >= rough);
    return Array.from({ length: Math.ceil((most - least) / step - 1e-9) + 1 }, (_, at) => Number((least + at * step).toPrecision(6)));
  };

  const numbers = (columns, rows) =>
    el("details", { class: "numbers" }, el("summary", {}, "Numbers"),
      el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, String(cell)))))))));

  // series: [{ name, kind, points: [[x, y], ...], band: [[x, low, high], ...] }], kind being a class of the style sheet.
  // Axes begin at 0, or at `from` and `least`; `digits` are those of values; without `named`, what stands beside it names them.
  aloe.lines = ({ title, x, y, series, most, least = 0, from = 0, digits, named = true }) => {
    const told = (value) => (digits === undefined ? aloe.count(value) : aloe.decimal(value, digits));
    const points = series.flatMap((line) => line.points);
    const last = Math.max(...points.map((point) => point[0]), 0);
    // Turns and the like are few and whole: each has its own mark.
    const across = from > 0 && last - from <= 12 ? Array.from({ length: Math.max(last - from, 1) + 1 }, (_, at) => from + at) : steps(from, last, 6);
    const up = steps(least, most || Math.max(...points.map((point) => point[1]), 0), 4);
    const right = across.at(-1), top = up.at(-1);
    const px = (value) => LEFT + ((value - from) / (right - from)) * (WIDTH - LEFT - RIGHT);
    const py = (value) => HEIGHT - BOTTOM - ((value - least) / (top - least)) * (HEIGHT - TOP - BOTTOM);
    const edge = (line) => line.band.map(([at, low]) => [at, low]).concat(line.band.map(([at, , high]) => [at, high]).reverse());
    const readout = el("output", { class: "readout" });
    const cross = svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
      up.map((value) => [
        svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: py(value), y2: py(value) }),
        svg("text", { class: "tick", x: LEFT - 8, y: py(value) + 4, "text-anchor": "end" }, aloe.count(value)),
      ]),
      across.map((value) => svg("text", { class: "tick", x: px(value), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" }, aloe.count(value))),
      svg("text", { class: "axis", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 5, "text-anchor": "middle" }, x),
      series.map((line) => line.band && svg("polygon", { class: `band ${line.kind}`, points: edge(line).map((point) => `${px(point[0])},${py(point[1])}`).join(" ") })),
      cross,
      series.map((line) => [
        svg("polyline", { class: `line ${line.kind}`, points: line.points.map((point) => `${px(point[0])},${py(point[1])}`).join(" ") }),
        line.points.length <= 40 && line.points.map((point) => svg("circle", { class: `dot ${line.kind}`, cx: px(point[0]), cy: py(point[1]), r: 2.6 })),
      ]));
    drawing.addEventListener("pointermove", (event) => {
      const box = drawing.getBoundingClientRect();
      const at = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * (right - from) + from;
      const near = (line) => line.points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best), line.points[0]);
      const shown = series.filter((line) => line.points.length > 0).map((line) => [line, near(line)]);
      if (!shown.length) return;
      cross.setAttribute("x1", px(shown[0][1][0]));
      cross.setAttribute("x2", px(shown[0][1][0]));
      cross.setAttribute("visibility", "visible");
      readout.textContent = shown.map(([line, point]) => `${line.name}: ${told(point[1])} at ${aloe.count(point[0])}`).join("  ·  ");
    });
    drawing.addEventListener("pointerleave", () => { cross.setAttribute("visibility", "hidden"); readout.textContent = ""; });
    const legend = el("figcaption", {}, el("strong", {}, title), el("span", { class: "unit" }, y),
      named && series.length > 1 && series.map((line) => el("span", { class: `legend ${line.kind}` }, line.name)), readout);
    const rows = series.flatMap((line) => line.points.map((point) => [line.name, aloe.count(point[0]), told(point[1])]));
    return el("figure", { class: "chart" }, legend, drawing, numbers(["line", x, y], rows));
  };

  // rows: [{ name, value, text, kind }]
  aloe.bars = (rows) => {
    const most = Math.max(...rows.map((row) => row.value), 1e-9);
    const bar = (row) => {
      const filled = el("span", { class: `bar ${row.kind || ""}` });
      filled.style.width = `${(100 * row.value) / most}%`;
      return el("div", { class: "bar-row" }, el("span", { class: "bar-name" }, row.name), el("span", { class: "bar-room" }, filled),
        el("span", { class: "bar-value" }, row.text || aloe.count(row.value)));
    };
    return el("div", { class: "bars" }, rows.map(bar));
  };

  // parts: [{ name, value, kind }]
  aloe.parts = (title, parts) => {
    const whole = parts.reduce((sum, part) => sum + part.value, 0);
    const shown = parts.filter((part) => part.value > 0);
    const piece = (part) => {
      const filled = el("span", { class: `part ${part.kind}`, title: `${part.name}: ${aloe.count(part.value)}` });
      filled.style.flexGrow = String(part.value);
      return filled;
    };
    return el("div", { class: "parts" },
      el("div", { class: "parts-bar", role: "img", "aria-label": `${title}: ${shown.map((part) => `${part.name} ${aloe.percent(part.value, whole)}`).join(", ")}` }, shown.map(piece)),
      el("ul", { class: "parts-names" }, parts.map((part) =>
        el("li", { class: part.kind }, el("span", { class: "name" }, part.name), " ", el("b", {}, aloe.percent(part.value, whole)), " ", el("span", { class: "soft" }, aloe.count(part.value))))));
  };
})();
