// The pool as a map: what lies near what, where each text comes from, and how the pool filled.
(() => {
  const { el, svg } = aloe;
  const SIZE = 600, EDGE = 22;
  const state = { kind: "profile", words: "", split: "all", origin: "all", chosen: null };

  const originOf = (member) => (typeof member.origin === "string" ? member.origin : Object.keys(member.origin)[0]);
  const originText = (member) => {
    const origin = member.origin;
    if (origin === "seed") return "written for aloe";
    if (origin.file) return `line ${origin.file.line} of ${origin.file.name}`;
    return `written by ${origin.generated.model} in iteration ${origin.generated.iteration + 1}`;
  };

  const shownOf = (members) => {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    return members.map((member, place) => ({ member, place })).filter(({ member }) =>
      (state.split === "all" || member.split === state.split) && (state.origin === "all" || originOf(member) === state.origin)
      && words.every((word) => member.text.toLowerCase().includes(word) || member.id.includes(word)));
  };

  const render = (root) => {
    const all = aloe.run.pool;
    if (all.length === 0) return el("p", { class: "empty" }, "This run has no pool: aloe personas makes one.");
    const members = all.filter((member) => member.kind === state.kind);
    const map = aloe.run.maps[state.kind];
    const point = (place) => map && map.points[place];
    const x = (at) => EDGE + ((at[0] + 1) / 2) * (SIZE - 2 * EDGE);
    const y = (at) => EDGE + ((1 - at[1]) / 2) * (SIZE - 2 * EDGE);
    let shown = shownOf(members);
    if (state.chosen === null || !members[state.chosen]) state.chosen = shown.length ? shown[0].place : null;

    const links = svg("g", { class: "links" });
    const dots = svg("g", {});
    const card = el("div", { class: "card member", "aria-live": "polite" });
    const list = el("ol", { class: "rows", "aria-label": "members" });
    const howMany = el("span", { class: "soft" });
    const circles = new Map();

    const near = (place) => {
      links.replaceChildren();
      for (const circle of circles.values()) circle.classList.remove("near", "chosen");
      if (!point(place)) return;
      const from = point(place).at;
      for (const [other] of point(place).near) {
        if (!point(other)) continue;
        const to = point(other).at;
        links.append(svg("line", { x1: x(from), y1: y(from), x2: x(to), y2: y(to) }));
        circles.get(other)?.classList.add("near");
      }
      const circle = circles.get(place);
      if (circle) { circle.classList.add("chosen"); dots.append(circle); }
    };
    const tell = (place) => {
      const member = members[place];
      if (!member) { aloe.put(card, el("p", { class: "soft" }, "Nothing is chosen.")); return; }
      const neighbours = point(place) ? point(place).near : [];
      aloe.put(card,
        el("h3", {}, member.id),
        el("p", { class: "chips" }, el("span", { class: `chip ${member.split}` }, member.split === "eval" ? "evaluation" : "training"),
          el("span", { class: "chip" }, originText(member)), member.scripted && el("span", { class: "chip" }, "by rule")),
        el("p", { class: "text" }, member.text),
        neighbours.length > 0 && [el("h4", {}, "Nearest"), el("ul", { class: "near-list" }, neighbours.map(([other, cosine]) =>
          el("li", {}, el("button", { type: "button", class: "link", onclick: () => choose(other) },
            el("b", {}, aloe.decimal(cosine, 2)), el("span", {}, members[other].text)))))]);
    };
    const look = (place) => { near(place); tell(place); };
    const choose = (place, quietly) => {
      state.chosen = place;
      look(place);
      for (const row of list.children) row.setAttribute("aria-current", String(Number(row.dataset.place) === place));
      if (!quietly) list.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
    };
    const fill = () => {
      shown = shownOf(members);
      howMany.textContent = `${aloe.count(shown.length)} of ${aloe.count(members.length)}`;
      const visible = new Set(shown.map(({ place }) => place));
      for (const [place, circle] of circles) circle.classList.toggle("dim", !visible.has(place));
      aloe.put(list, shown.slice(0, 400).map(({ member, place }) =>
        el("li", { "data-place": place, "aria-current": String(place === state.chosen) },
          el("button", { type: "button", onclick: () => choose(place, true) }, el("span", { class: "soft" }, member.id.split("-").pop()), " ", member.text))));
      if (shown.length > 400) list.append(el("li", { class: "soft more" }, `and ${aloe.count(shown.length - 400)} more: search narrows it down`));
    };

    if (map) {
      members.slice(0, map.points.length).forEach((member, place) => {
        const circle = svg("circle", { class: `member-dot ${member.split} ${originOf(member)}`, cx: x(point(place).at), cy: y(point(place).at), r: members.length > 1500 ? 3 : members.length > 400 ? 4 : 6,
          onpointerenter: () => look(place), onpointerleave: () => state.chosen !== null && look(state.chosen), onclick: () => choose(place) });
        circles.set(place, circle);
        dots.append(circle);
      });
    }
    const select = (label, field, options) => el("label", { class: "field" }, el("span", {}, label),
      el("select", { onchange: (event) => { state[field] = event.target.value; fill(); } }, options.map(([id, text]) => el("option", { value: id, selected: state[field] === id }, text))));
    const origins = [...new Set(members.map(originOf))];
    const curve = (aloe.run.saturation?.pools || []).find((pool) => pool.kind === state.kind)?.curve || [];
    let asked = 0;
    const grown = curve.map(([candidates, , size]) => [(asked += candidates), size]);
    const accepted = curve.reduce((sum, row) => sum + row[1], 0);

    root.move = (step) => {
      const at = shown.findIndex(({ place }) => place === state.chosen);
      const next = shown[Math.min(Math.max(at + step, 0), shown.length - 1)];
      if (next) choose(next.place);
    };
    const page = el("div", { class: "stack" },
      el("div", { class: "toolbar" },
        el("div", { class: "switch", role: "group", "aria-label": "which pool" }, ["profile", "personality"].map((kind) =>
          el("button", { type: "button", "aria-pressed": String(state.kind === kind), onclick: () => { state.kind = kind; state.chosen = null; aloe.show(); } },
            kind === "profile" ? "Profiles" : "Personalities"))),
        el("label", { class: "field grow" }, el("span", {}, "Search"), el("input", { type: "search", id: "search", value: state.words, placeholder: "words", oninput: (event) => { state.words = event.target.value; fill(); } })),
        select("Split", "split", [["all", "both"], ["train", "training"], ["eval", "evaluation"]]),
        origins.length > 1 && select("From", "origin", [["all", "anywhere"]].concat(origins.map((origin) => [origin, { seed: "seeds", file: "files", generated: "models" }[origin] || origin]))),
        howMany),
      el("div", { class: "pool" },
        el("figure", { class: "card map" },
          el("figcaption", {}, el("strong", {}, "The pool, flat"), el("span", { class: "legend train" }, "training"), el("span", { class: "legend eval" }, "evaluation"),
            el("span", { class: "legend ring" }, "seed")),
          map ? svg("svg", { viewBox: `0 0 ${SIZE} ${SIZE}`, role: "img", "aria-label": `map of ${members.length} texts` }, links, dots)
            : el("p", { class: "empty" }, "No map: it is drawn where an embedder is at hand."),
          map && el("p", { class: "soft small" }, `The two directions in which the pool spreads most; they hold ${aloe.percent(map.explained, 1)} of it. Distances are told by the neighbours alone.`,
            members.length > map.points.length && ` The first ${aloe.count(map.points.length)} are drawn.`)),
        el("div", { class: "side" }, card, el("div", { class: "card list" }, list))),
      grown.length > 0 && el("section", { class: "card" },
        aloe.lines({ title: "How the pool filled", x: "texts proposed", y: "members", series: [{ name: "members", kind: "with", points: [[0, members.length - accepted], ...grown] }] }),
        el("p", { class: "soft small" }, `${aloe.count(accepted)} of ${aloe.many(asked, "proposed text")} were taken (${aloe.percent(accepted, asked)}). A flat end means that hardly anything new comes.`)));
    fill();
    if (state.chosen !== null) choose(state.chosen, true); else tell(null);
    return page;
  };

  aloe.sections.push({ id: "pool", title: "Pool", render, keys: { p: ["the other pool", () => { state.kind = state.kind === "profile" ? "personality" : "profile"; state.chosen = null; aloe.show(); }] } });
})();
