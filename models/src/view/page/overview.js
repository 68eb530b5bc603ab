// The run at a glance.
(() => {
  const { el } = aloe;

  const tile = (number, name, note) =>
    el("div", { class: "tile" }, el("b", {}, number), el("span", {}, name), note && el("small", {}, note));

  const agreement = () => {
    let same = 0, other = 0, ties = 0;
    for (const rating of aloe.ratings().values()) {
      const by = aloe.preferredBy(rating);
      if (by === "tie") ties += 1;
      else if (by === "preferred") same += 1;
      else other += 1;
    }
    return { same, other, ties, all: same + other + ties };
  };

  const revealed = (overview) => {
    const points = [];
    let sum = 0;
    overview.new_facts.forEach((facts, turn) => {
      sum += facts / Math.max(overview.at_turn[turn], 1);
      points.push([turn + 1, Math.round(sum * 100) / 100]);
    });
    return points;
  };

  const value = (item) => {
    if (typeof item === "number") return String(Math.round(item * 1e4) / 1e4);
    return Array.isArray(item) || (item && typeof item === "object") ? JSON.stringify(item) : String(item);
  };

  const configuration = ([name, stage]) =>
    el("details", { class: "card quiet" }, el("summary", {}, `What ${name} was begun with`),
      el("dl", { class: "pairs" },
        [["version", stage.version], ["seed", stage.seed]].concat(Object.entries(stage.roles || {}).map(([role, spec]) => [`role: ${role}`, spec]),
          Object.entries(stage.numbers || {}), Object.entries(stage.inputs || {}).map(([input, hash]) => [`input: ${input}`, hash]))
          .map(([key, item]) => [el("dt", {}, key), el("dd", {}, value(item))])));

  const render = () => {
    const { overview, pool, spent, conversations } = aloe.run;
    const kinds = (kind) => pool.filter((member) => member.kind === kind).length;
    const rejected = Object.values(overview.rejections).reduce((sum, count) => sum + count, 0);
    const verdicts = [
      { name: "the reply that knew the person", value: overview.with_hint, kind: "with" },
      { name: "the reply that did not: the two changed places", value: overview.without_hint, kind: "without" },
      { name: "tie: the order decided", value: overview.ties, kind: "tie" },
      { name: "no answer that could be read", value: overview.unscored, kind: "none" },
      { name: "not asked", value: overview.not_judged, kind: "unasked" },
    ].filter((part) => part.value > 0);
    const people = agreement();
    const tokens = spent.reduce((sum, row) => sum + row.prompt_tokens + row.completion_tokens, 0);
    const known = spent.length > 0 && spent.every((row) => row.cost !== null);
    const calls = spent.reduce((sum, row) => sum + row.calls, 0);
    return el("div", { class: "stack" },
      overview.scripted > 0 && el("p", { class: "notice" }, `${overview.scripted === overview.conversations ? "All" : aloe.count(overview.scripted)} conversations were written by rules and not by models: they test the pipeline and teach nothing about people.`),
      el("div", { class: "tiles" },
        tile(aloe.count(kinds("profile")), "profiles", `${aloe.count(kinds("personality"))} personalities`),
        tile(aloe.count(overview.conversations), "conversations", overview.imported ? `${aloe.count(overview.imported)} imported` : aloe.many(overview.turns, "turn")),
        tile(aloe.count(rejected), "attempts rejected", `${aloe.percent(rejected, rejected + overview.conversations)} of all`),
        tile(aloe.count(calls), "paid calls", known ? `$${aloe.decimal(spent.reduce((sum, row) => sum + row.cost, 0), 2)}` : `${aloe.count(tokens)} tokens`),
        tile(aloe.count(people.all), "turns rated by hand", people.same + people.other > 0 ? `${aloe.percent(people.same, people.same + people.other)} agree with the pair` : aloe.served ? "section Rate" : null)),
      conversations.length === 0 && el("p", { class: "empty" }, "There are no conversations yet: aloe trees makes them."),
      verdicts.length > 0 && el("section", { class: "card" }, el("h2", {}, "What the judge prefers"),
        el("p", { class: "soft" }, "Each pair is shown in both orders; only a verdict that holds in both counts."), aloe.parts("What the judge prefers", verdicts)),
      people.all > 0 && el("section", { class: "card" }, el("h2", {}, "What people prefer"),
        aloe.parts("What people prefer", [
          { name: "the same reply as the pair says", value: people.same, kind: "with" },
          { name: "the other one", value: people.other, kind: "without" },
          { name: "neither", value: people.ties, kind: "tie" },
        ])),
      overview.new_facts.length > 1 && el("section", { class: "card" },
        aloe.lines({ title: "Facts of the profile that are known", x: "turn", y: "mean of a conversation", series: [{ name: "known", kind: "with", points: revealed(overview) }] })),
      rejected > 0 && el("section", { class: "card" }, el("h2", {}, "Why attempts were rejected"),
        aloe.bars(Object.entries(overview.rejections).sort((a, b) => b[1] - a[1]).map(([name, count]) => ({ name, value: count, kind: "without" })))),
      el("div", { class: "stack tight" }, Object.entries(aloe.run.stages).map(configuration)));
  };

  aloe.sections.push({ id: "overview", title: "Overview", render });
})();
