// Drawings of numbers: lines over an axis, bars, and parts of a whole. Each has its numbers as a table beside it.
(() => {
  const { el, svg } = aloe;
  const WIDTH = 680, HEIGHT = 250, LEFT = 48, RIGHT = 14, TOP = 12, BOTTOM = 40;

  const steps = (most, wanted) => {
    if (!(most > 0)) return [0, 1];
    const rough = most / wanted;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 2.5, 5, 10].map((part) => part * power).find((part) => part >= rough);
    return Array.from({ length: Math.ceil(most / step - 1e-9) + 1 }, (_, at) => Number((at * step).toPrecision(6)));
  };

  // Ticks from below the least to above the most, for figures that do not begin at zero.
  const between = (least, most, wanted) => {
    const room = most - least || Math.abs(most) || 1;
    const step = steps(room, wanted)[1];
    const first = Math.floor(least / step + 1e-9), last = Math.max(Math.ceil(most / step - 1e-9), first + 1);
    return Array.from({ length: last - first + 1 }, (_, at) => Number(((first + at) * step).toPrecision(6)));
  };

  const numbers = (columns, rows) =>
    el("details", { class: "numbers" }, el("summary", {}, "Numbers"),
      el("div", { class: "scroll" }, el("table", {},
        el("thead", {}, el("tr", {}, columns.map((column) => el("th", { scope: "col" }, column)))),
        el("tbody", {}, rows.map((row) => el("tr", {}, row.map((cell) => el("td", {}, String(cell)))))))));

  // series: [{ name, kind, points: [[x, y], ...] }], kind being a class of the style sheet; `fit` lets the axis begin where
  // the figures do, and `shown` writes them.
  aloe.lines = ({ title, x, y, series, most, fit, shown = aloe.count }) => {
    const points = series.flatMap((line) => line.points);
    const across = steps(Math.max(...points.map((point) => point[0]), 0), 6);
    const heights = points.map((point) => point[1]);
    const up = fit ? between(Math.min(...heights), Math.max(...heights), 4) : steps(most || Math.max(...heights, 0), 4);
    const right = across.at(-1), bottom = up[0], top = up.at(-1);
    const px = (value) => LEFT + (value / right) * (WIDTH - LEFT - RIGHT);
    const py = (value) => HEIGHT - BOTTOM - ((value - bottom) / (top - bottom)) * (HEIGHT - TOP - BOTTOM);
    const readout = el("output", { class: "readout" });
    const cross = svg("line", { class: "cross", y1: TOP, y2: HEIGHT - BOTTOM, visibility: "hidden" });
    const drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title },
      up.map((value) => [
        svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: py(value), y2: py(value) }),
        svg("text", { class: "tick", x: LEFT - 8, y: py(value) + 4, "text-anchor": "end" }, shown(value)),
      ]),
      across.map((value) => svg("text", { class: "tick", x: px(value), y: HEIGHT - BOTTOM + 17, "text-anchor": "middle" }, aloe.count(value))),
      svg("text", { class: "axis", x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 5, "text-anchor": "middle" }, x),
      cross,
      series.map((line) => [
        svg("polyline", { class: `line ${line.kind}`, points: line.points.map((point) => `${px(point[0])},${py(point[1])}`).join(" ") }),
        line.points.length <= 40 && line.points.map((point) => svg("circle", { class: `dot ${line.kind}`, cx: px(point[0]), cy: py(point[1]), r: 2.6 })),
      ]));
    drawing.addEventListener("pointermove", (event) => {
      const box = drawing.getBoundingClientRect();
      const at = (((event.clientX - box.left) / box.width) * WIDTH - LEFT) / (WIDTH - LEFT - RIGHT) * right;
      const near = (line) => line.points.reduce((best, point) => (Math.abs(point[0] - at) < Math.abs(best[0] - at) ? point : best), line.points[0]);
      const found = series.filter((line) => line.points.length > 0).map((line) => [line, near(line)]);
      if (!found.length) return;
      cross.setAttribute("x1", px(found[0][1][0]));
      cross.setAttribute("x2", px(found[0][1][0]));
      cross.setAttribute("visibility", "visible");
      readout.textContent = found.map(([line, point]) => `${line.name}: ${shown(point[1])} at ${aloe.count(point[0])}`).join("  ·  ");
    });
    drawing.addEventListener("pointerleave", () => { cross.setAttribute("visibility", "hidden"); readout.textContent = ""; });
    const legend = el("figcaption", {}, el("strong", {}, title), el("span", { class: "unit" }, y),
      series.length > 1 && series.map((line) => el("span", { class: `legend ${line.kind}` }, line.name)), readout);
    const rows = series.flatMap((line) => line.points.map((point) => [line.name, aloe.count(point[0]), shown(point[1])]));
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
