// Conversations as trees: both replies of each turn, what was known by then, and what the judge said.
(() => {
  const { el, svg } = aloe;
  const LISTED = 300;
  const state = { words: "", found: null, filter: "all", place: null, leaf: null };

  const FILTERS = [
    ["all", "all", () => true],
    ["taken", "taken", (row) => !row.rejection],
    ["rejected", "rejected", (row) => Boolean(row.rejection)],
    ["swapped", "with a swap", (row) => row.swapped > 0],
    ["ties", "with a tie", (row) => row.ties > 0],
    ["branched", "branched", (row) => row.leaves > 1],
    ["rated", "rated by hand", (row, rated) => rated.has(`${row.id}/${row.attempt}`)],
  ];

  // Imported ones have numbers of their own, beyond 2^40: the file in the upper part and its line in the lower.
  const numberOf = (row) => {
    if (!row.imported) return String(row.id);
    const rest = row.id - 2 ** 40;
    return `import ${Math.floor(rest / 2 ** 32) + 1}, ${rest % 2 ** 32}`;
  };

  const shownRows = () => {
    const keep = FILTERS.find(([id]) => id === state.filter)[2];
    const rated = new Set(aloe.run.ratings.map((rating) => `${rating.conversation}/${rating.attempt}`));
    const found = state.found && new Set(state.found);
    return aloe.run.conversations.map((row, place) => ({ row, place })).filter(({ row, place }) => keep(row, rated) && (!found || found.has(place)));
  };

  const leavesOf = (tree) => tree.nodes.map((_, place) => place).filter((place) => !tree.nodes.some((node) => node.parent && node.parent[0] === place));
  const pathTo = (tree, leaf) => {
    const path = [leaf];
    while (tree.nodes[path[0]]?.parent) path.unshift(tree.nodes[path[0]].parent[0]);
    return path;
  };
  const drawnLeaf = (tree) => {
    let at = 0;
    for (;;) {
      const next = tree.nodes.findIndex((node) => node.parent && node.parent[0] === at && node.parent[1] === tree.nodes[at].chosen);
      if (next < 0) return at;
      at = next;
    }
  };
  aloe.pathTo = pathTo;

  const OUTCOMES = { with: "the judge prefers it in both orders", without: "the judge prefers the one without: they changed places", tie: "tie: the order decided", none: "the judge gave no answer that can be read" };
  const outcome = (node) => {
    if (!node.verdict) return null;
    const { hint_first: first, hint_second: second } = node.verdict;
    if (first === "unscored" || second === "unscored") return "none";
    return first !== second ? "tie" : first === "with_hint" ? "with" : "without";
  };

  const treeDrawing = (tree, path, choose) => {
    const leaves = leavesOf(tree);
    const rank = new Map();
    const depth = (place) => pathTo(tree, place).length - 1;
    leaves.forEach((leaf, at) => rank.set(leaf, at));
    for (let place = tree.nodes.length - 1; place >= 0; place -= 1) {
      const children = tree.nodes.map((node, child) => [node, child]).filter(([node]) => node.parent && node.parent[0] === place).map(([, child]) => rank.get(child));
      if (children.length) rank.set(place, children.reduce((sum, child) => sum + child, 0) / children.length);
    }
    const deepest = Math.max(...leaves.map(depth), 1);
    const width = 640, row = 22, height = leaves.length * row + 12;
    const x = (place) => 14 + (depth(place) / deepest) * (width - 28);
    const y = (place) => 6 + row / 2 + rank.get(place) * row;
    const on = new Set(path);
    return svg("svg", { class: "tree", viewBox: `0 0 ${width} ${height}`, role: "group", "aria-label": `tree with ${leaves.length} paths` },
      tree.nodes.map((node, place) => node.parent && svg("path", {
        class: `edge ${node.parent[1]} ${on.has(place) ? "on" : ""}`,
        d: `M${x(node.parent[0])},${y(node.parent[0])} C${(x(node.parent[0]) + x(place)) / 2},${y(node.parent[0])} ${(x(node.parent[0]) + x(place)) / 2},${y(place)} ${x(place)},${y(place)}` })),
      tree.nodes.map((node, place) => svg("circle", { class: `knot ${outcome(node) || "plain"} ${on.has(place) ? "on" : ""}`, cx: x(place), cy: y(place), r: on.has(place) ? 6 : 4.5, tabindex: 0, role: "button",
        "aria-label": `turn ${depth(place) + 1}`,
        onclick: () => choose(place), onkeydown: (event) => { if (event.key === "Enter" || event.key === " ") { event.preventDefault(); choose(place); } } })));
  };

  const known = (tree, place) => {
    const now = tree.nodes[place].induced;
    const parent = tree.nodes[place].parent;
    const before = parent ? tree.nodes[parent[0]].induced : { profile: null, personality: null };
    const list = (name, field) => {
      const old = new Set(aloe.sentences(before[field]));
      const facts = aloe.sentences(now[field]);
      return facts.length > 0 && [el("h4", {}, name), el("ul", {}, facts.map((fact) => el("li", { class: old.has(fact) ? "" : "new" }, fact)))];
    };
    const lists = [list("Profile", "profile"), list("Personality", "personality")].filter(Boolean);
    return el("aside", { class: "known" }, el("h3", {}, "Known by now"), lists.length ? lists : el("p", { class: "soft" }, "Nothing yet."));
  };

  const writerOf = (tree, index) => {
    const writer = tree.writers[index];
    return writer ? `${writer.model}, temperature ${aloe.decimal(writer.temperature, 1)}` : null;
  };

  const reply = (tree, place, branch, next) => {
    const node = tree.nodes[place];
    const hinted = (branch === "preferred") !== node.swapped;
    const answered = next ? next === branch : node.chosen === branch;
    return el("article", { class: `reply ${branch} ${answered ? "answered" : ""}` },
      el("header", {}, el("b", {}, branch), el("span", { class: "chip" }, hinted ? "knew the person" : node.contrast ? "was for somebody else" : "did not"),
        answered && el("span", { class: "chip go" }, next ? "the user answers this" : "drawn")),
      el("p", { class: "text" }, node[branch].text),
      writerOf(tree, node[branch].writer) && el("footer", {}, `${writerOf(tree, node[branch].writer)}, seed ${node[branch].seed}`));
  };

  const turn = (tree, path, at) => {
    const place = path[at];
    const node = tree.nodes[place];
    const next = path[at + 1] === undefined ? null : tree.nodes[path[at + 1]].parent[1];
    const verdict = outcome(node);
    const rating = aloe.ratingOf(tree, place);
    const said = { with_hint: "the one that knew", without_hint: "the one that did not", unscored: "no answer" };
    return el("li", { class: "turn", id: `turn-${place}` },
      el("div", { class: "turn-head" }, el("span", { class: "number" }, String(at + 1)), el("div", { class: "user" }, el("p", { class: "text" }, node.user.text))),
      el("div", { class: "turn-body" },
        el("div", { class: "replies" }, reply(tree, place, "preferred", next), reply(tree, place, "rejected", next),
          el("p", { class: "verdict" },
            verdict && el("span", { class: `chip ${verdict}` }, OUTCOMES[verdict]),
            verdict && el("span", { class: "soft" }, `shown first: ${said[node.verdict.hint_first]}; shown second: ${said[node.verdict.hint_second]}`),
            !verdict && el("span", { class: "soft" }, "not judged"),
            rating && el("span", { class: "chip hand" }, `by hand: ${{ preferred: "the preferred one", rejected: "the rejected one", tie: "a tie" }[aloe.preferredBy(rating)]}`))),
        known(tree, place)));
  };

  const render = (root) => {
    const { conversations } = aloe.run;
    if (conversations.length === 0) return el("p", { class: "empty" }, "There are no conversations yet: aloe trees makes them.");
    const list = el("ol", { class: "rows", "aria-label": "conversations" });
    const detail = el("div", { class: "detail" });
    const howMany = el("span", { class: "soft" });
    let shown = [];

    const choose = async (place, leaf) => {
      if (state.place !== place) state.leaf = null;
      state.place = place;
      if (leaf !== undefined) state.leaf = leaf;
      for (const row of list.children) row.setAttribute("aria-current", String(Number(row.dataset.place) === place));
      list.querySelector('[aria-current="true"]')?.scrollIntoView({ block: "nearest" });
      history.replaceState(null, "", `#conversations/${place}`);
      let tree;
      try {
        tree = await aloe.conversation(place);
      } catch (error) {
        aloe.put(detail, el("p", { class: "empty" }, `It cannot be shown: ${error.message}`));
        return;
      }
      if (state.place !== place) return;
      if (!tree) {
        aloe.put(detail, el("p", { class: "empty" }, "This file does not hold it whole: aloe report --conversations N takes more, aloe view shows all."));
        return;
      }
      const row = conversations[place];
      const start = state.leaf === null ? drawnLeaf(tree) : state.leaf;
      // A turn in the middle stands for the first path through it.
      const end = leavesOf(tree).find((end) => pathTo(tree, end).includes(start)) ?? start;
      const path = tree.nodes.length ? pathTo(tree, end) : [];
      const leaves = leavesOf(tree);
      root.path = (step) => { if (leaves.length > 1) choose(place, leaves[(leaves.indexOf(end) + step + leaves.length) % leaves.length]); };
      aloe.put(detail,
        el("div", { class: "card persona" }, el("h2", {}, `Conversation ${numberOf(row)}`, row.attempt > 0 && el("span", { class: "soft" }, ` attempt ${row.attempt + 1}`)),
          el("p", { class: "chips" }, el("span", { class: "chip" }, tree.persona.id), row.imported && el("span", { class: "chip" }, "imported"), row.scripted && el("span", { class: "chip" }, "by rule"),
            row.rejection && el("span", { class: "chip without" }, `rejected at turn ${row.rejection.turn}: ${row.rejection.reason}`)),
          el("div", { class: "two" }, el("div", {}, el("h4", {}, "Profile"), el("p", { class: "text" }, tree.persona.profile)), el("div", {}, el("h4", {}, "Personality"), el("p", { class: "text" }, tree.persona.personality))),
          leaves.length > 1 && [el("h4", {}, `${leaves.length} paths`), treeDrawing(tree, path, (node) => choose(place, node))]),
        el("ol", { class: "turns" }, path.map((_, at) => turn(tree, path, at))),
        tree.nodes.length === 0 && el("p", { class: "empty" }, "It ended before its first turn was whole."));
    };
    const fill = () => {
      shown = shownRows();
      const { overview } = aloe.run;
      const all = overview.conversations + Object.values(overview.rejections).reduce((sum, count) => sum + count, 0);
      howMany.textContent = `${aloe.count(shown.length)} of ${aloe.count(conversations.length)}${all > conversations.length ? ` listed, ${aloe.count(all)} in all` : ""}`;
      aloe.put(list, shown.slice(0, LISTED).map(({ row, place }) =>
        el("li", { "data-place": place, "aria-current": String(place === state.place), class: row.rejection ? "refused" : "" },
          el("button", { type: "button", onclick: () => choose(place) },
            el("span", { class: "row-head" }, el("b", {}, numberOf(row)), el("span", { class: "soft" }, aloe.many(row.turns, "turn")),
              row.swapped > 0 && el("span", { class: "chip without" }, aloe.many(row.swapped, "swap")), row.ties > 0 && el("span", { class: "chip tie" }, aloe.many(row.ties, "tie")),
              row.leaves > 1 && el("span", { class: "chip" }, aloe.many(row.leaves, "path")), row.rejection && el("span", { class: "chip without" }, row.rejection.check)),
            el("span", { class: "row-title" }, row.title)))));
      if (shown.length > LISTED) list.append(el("li", { class: "soft more" }, `and ${aloe.count(shown.length - LISTED)} more: search and filter narrow it down`));
      if (shown.length && !shown.some(({ place }) => place === state.place)) choose(shown[0].place);
      if (!shown.length) aloe.put(detail, el("p", { class: "empty" }, "Nothing of this kind."));
    };
    let waiting;
    const search = (words) => {
      state.words = words;
      clearTimeout(waiting);
      waiting = setTimeout(async () => {
        try {
          state.found = words.trim() ? await aloe.search(words) : null;
          fill();
        } catch (error) { aloe.say(`The search failed: ${error.message}`); }
      }, 180);
    };
    root.move = (step) => {
      const at = shown.findIndex(({ place }) => place === state.place);
      const next = shown[Math.min(Math.max(at + step, 0), Math.min(shown.length, LISTED) - 1)];
      if (next) choose(next.place);
    };
    const page = el("div", { class: "stack" },
      el("div", { class: "toolbar" },
        el("label", { class: "field grow" }, el("span", {}, "Search"), el("input", { type: "search", id: "search", value: state.words, placeholder: "words in any message or persona", oninput: (event) => search(event.target.value) })),
        el("label", { class: "field" }, el("span", {}, "Show"), el("select", { id: "filter", onchange: (event) => { state.filter = event.target.value; fill(); } }, FILTERS.map(([id, name]) => el("option", { value: id, selected: state.filter === id }, name)))),
        howMany),
      el("div", { class: "talks" }, el("nav", { class: "card list", "aria-label": "conversations" }, list), detail));
    const asked = Number(aloe.argument);
    if (aloe.argument !== "" && Number.isInteger(asked) && conversations[asked]) state.place = asked;
    fill();
    if (state.place !== null && shown.some(({ place }) => place === state.place)) choose(state.place);
    return page;
  };

  aloe.sections.push({
    id: "conversations", title: "Conversations", render,
    keys: { n: ["the next path of the tree", (root) => root.path?.(1)], b: ["the path before", (root) => root.path?.(-1)] },
  });
})();
