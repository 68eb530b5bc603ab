// What was asked of whom, and what it cost.
(() => {
  const { el } = aloe;

  const render = () => {
    const { spent } = aloe.run;
    if (spent.length === 0) return el("p", { class: "empty" }, "Nothing that costs was asked: rules and recordings are not written down.");
    const sum = (field) => spent.reduce((all, row) => all + (row[field] || 0), 0);
    const known = spent.every((row) => row.cost !== null);
    const dollars = (cost) => (cost === null ? "–" : `$${aloe.decimal(cost, 4)}`);
    const cells = (row) => [row.calls, row.prompt_tokens, row.completion_tokens].map((count) => el("td", { class: "n" }, aloe.count(count)));
    return el("div", { class: "stack" },
      el("section", { class: "card" }, el("h2", {}, "Tokens by role"),
        aloe.bars(spent.map((row) => ({ name: row.role, value: row.prompt_tokens + row.completion_tokens, kind: "with" })))),
      el("section", { class: "card" }, el("h2", {}, "Calls"),
        el("div", { class: "scroll" }, el("table", { class: "wide" },
          el("thead", {}, el("tr", {}, ["role", "model", "calls", "prompt tokens", "answer tokens", "cost"].map((name, at) => el("th", { scope: "col", class: at > 1 ? "n" : "" }, name)))),
          el("tbody", {}, spent.map((row) => el("tr", {}, el("th", { scope: "row" }, row.role), el("td", {}, row.model), cells(row), el("td", { class: "n" }, dollars(row.cost))))),
          el("tfoot", {}, el("tr", {}, el("th", { scope: "row" }, "all"), el("td", {}), cells({ calls: sum("calls"), prompt_tokens: sum("prompt_tokens"), completion_tokens: sum("completion_tokens") }), el("td", { class: "n" }, known ? dollars(sum("cost")) : "–"))))),
        !known && el("p", { class: "soft small" }, "Where there is a dash, no price is known: --price MODEL=IN/OUT says one.")));
  };

  aloe.sections.push({ id: "cost", title: "Cost", render });
})();
