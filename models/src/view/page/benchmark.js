// The ALOE benchmark: systems beside each other, and the conversations at either end.
(() => {
  const { el, svg } = aloe;
  const hidden = new Set();
  let chosen = 0;

  const colour = (at) => `s${at % 8}`;
  const figure = (number, digits) => (number === null || number === undefined ? "–" : aloe.decimal(number, digits));
  const range = (interval, digits) => interval && `${figure(interval.low, digits)} to ${figure(interval.high, digits)}`;
  const signed = (number) => `${number >= 0 ? "+" : "−"}${aloe.decimal(Math.abs(100 * number), 1)}%`;
  const probable = (p) => (p < 0.001 ? "p < 0.001" : `p = ${aloe.decimal(p, 3)}`);
  const entries = () => aloe.run.benchmark.systems.map((system, at) => ({ system, at }));

  const cell = (value, small) => el("td", { class: "n" }, value, small && el("small", {}, small));
  const named = ({ system, at }) => el("th", { scope: "row" }, el("span", { class: `name ${colour(at)}` }, system.name));
  const table = (columns, rows) =>
    el("div", { class: "scroll figures" }, el("table", { class: "wide" },
      el("thead", {}, el("tr", {}, columns.map((column, at) => el("th", { scope: "col", class: at > 0 && "n" }, column)))),
      el("tbody", {}, rows)));

  const against = (system, at) => {
    const found = system.against_base;
    if (!found) return cell(at === 0 ? "base" : "–");
    return cell(signed(found.relative_improvement), `${probable(found.p_value)}, ${aloe.many(found.cases, "case")}`);
  };

  const results = () => {
    const gains = aloe.run.benchmark.systems.some((system) => system.gain);
    const specific = aloe.run.benchmark.systems.some((system) => system.specificity);
    const several = aloe.run.benchmark.systems.length > 1;
    const row = ({ system, at }) => {
      const { average, improvement, improvement_rate: rate } = system.report;
      const gain = system.gain?.figures.gain_normalised;
      const specificity = system.specificity?.difference;
      return el("tr", {}, named({ system, at }), cell(figure(average?.value, 2), range(average, 2)),
        cell(figure(rate?.value, 3), range(rate, 3)), cell(figure(improvement?.n_ir, 3)), cell(figure(improvement?.n_r2, 3)), several && against(system, at), gains && cell(figure(gain?.value, 3), range(gain, 3)), specific && cell(figure(specificity?.value, 2), range(specificity, 2)));
    };
    const columns = ["system", "average", "IR", "N-IR", "N-R²"].concat(several ? ["against the base"] : [], gains ? ["persona gain"] : [], specific ? ["specificity"] : []);
    return el("section", { class: "card" }, el("h2", {}, "Results"), table(columns, entries().map(row)),
      el("p", { class: "soft small" }, "Average: mean of AL(k), with its 95% interval over cases. IR: slope of AL(k). N-IR and N-R²: slope and R² after scaling a system's own levels to 0..1. p: paired randomisation test, not corrected for several comparisons.", gains && " Persona gain: how much likelier a reply is after its own person's history than after others', in nats a token; no judge has a part in it.", specific && " Specificity: a reply's score for its person less its scores for people of other personalities."));
  };

  const levels = ({ system, at }) => {
    const points = system.report.alignment_level.map((level, turn) => level && [turn + 1, level.value, level.low, level.high]).filter(Boolean);
    return { name: system.name, kind: `own ${colour(at)}`, points: points.map(([x, y]) => [x, y]), band: points.map(([x, , low, high]) => [x, low, high]) };
  };

  const toggles = (root) =>
    el("div", { class: "systems", role: "group", "aria-label": "systems in the curves" }, entries().map(({ system, at }) =>
      el("button", { type: "button", class: `system ${colour(at)}`, "aria-pressed": String(!hidden.has(at)), onclick: () => { if (!hidden.delete(at)) hidden.add(at); root.redraw(); } }, system.name)));

  const curves = (root) => {
    const room = el("div", { class: "stack tight" });
    root.redraw = () => {
      const shown = entries().filter(({ at }) => !hidden.has(at));
      const series = shown.map(levels).filter((line) => line.points.length > 0);
      const bounds = series.flatMap((line) => line.band.flatMap(([, low, high]) => [low, high]));
      const least = Math.max(1, Math.floor(2 * Math.min(...bounds) - 0.2) / 2), most = Math.min(5, Math.ceil(2 * Math.max(...bounds) + 0.2) / 2);
      aloe.put(room, aloe.run.benchmark.systems.length > 1 && toggles(root),
        series.length === 0 ? el("p", { class: "empty" }, "No system with scores is chosen.") :
          aloe.lines({ title: "Alignment level by turn", x: "turn k", y: "AL(k), mean score from 1 to 5, with 95% intervals", series, least, most, from: 1, digits: 2, named: false }));
    };
    root.redraw();
    return el("section", { class: "card" }, room);
  };

  const rates = () => {
    const rows = entries().map((entry) => ({ ...entry, rate: entry.system.report.improvement_rate })).filter((row) => row.rate);
    if (rows.length === 0) return null;
    const least = Math.min(0, ...rows.map((row) => row.rate.low)), most = Math.max(0.001, ...rows.map((row) => row.rate.high));
    const px = (value) => (100 * (value - least)) / (most - least);
    const row = ({ system, at, rate }) =>
      el("div", { class: `whisker ${colour(at)}` }, el("span", { class: "whisker-name" }, system.name),
        svg("svg", { viewBox: "0 0 100 10", preserveAspectRatio: "none", role: "img", "aria-label": `${system.name}: ${figure(rate.value, 3)}, ${range(rate, 3)}` },
          svg("line", { class: "axis-line", x1: 0, x2: 100, y1: 5, y2: 5 }), svg("line", { class: "zero", x1: px(0), x2: px(0), y1: 0, y2: 10 }),
          svg("line", { class: "range", x1: px(rate.low), x2: px(rate.high), y1: 5, y2: 5 }),
          svg("line", { class: "range", x1: px(rate.value), x2: px(rate.value), y1: 1, y2: 9 })),
        el("span", { class: "n" }, figure(rate.value, 3)));
    return el("section", { class: "card" }, el("h2", {}, "Improvement rate"), el("div", { class: "stack tight" }, rows.map(row)),
      el("p", { class: "soft small" }, "Points a turn; the broken line is 0, the bar the 95% interval."));
  };

  const distributions = () => {
    const names = ["no score", "1", "2", "3", "4", "5"];
    const row = ({ system }) => {
      const counts = [system.report.refused + system.report.unscored, ...system.scores];
      const whole = counts.reduce((sum, count) => sum + count, 0);
      const told = names.map((name, at) => counts[at] > 0 && `${name}: ${aloe.percent(counts[at], whole)}`).filter(Boolean).join(", ");
      const part = (count, at) => {
        if (count === 0) return null;
        const filled = el("span", { class: `v${at}`, title: `${names[at]}: ${aloe.count(count)}, ${aloe.percent(count, whole)}` });
        filled.style.flexGrow = String(count);
        return filled;
      };
      return el("div", { class: "scored" }, el("span", { class: "whisker-name" }, system.name), el("div", { class: "score-bar", role: "img", "aria-label": `${system.name}: ${told}` }, counts.map(part)));
    };
    return el("section", { class: "card" }, el("h2", {}, "Scores given"), el("div", { class: "stack tight" }, entries().map(row)),
      el("p", { class: "score-key" }, names.map((name, at) => el("span", {}, el("i", { class: `v${at}` }), name))));
  };

  const facts = () => {
    const remembering = entries().filter(({ system }) => system.known);
    const series = remembering.map(({ system, at }) => ({ name: system.name, kind: `own ${colour(at)}`, points: system.known.map((count, turn) => [turn + 1, count]) }));
    if (series.length === 0) return null;
    return el("section", { class: "card" }, aloe.lines({ title: "What was known of the person", x: "turn k", y: "different memories and facts that had reached a reply, mean over cases", series, from: 1, digits: 1 }));
  };

  const cost = () => {
    const sum = (system, field) => system.spent.reduce((all, role) => all + role[field], 0);
    const known = (system) => system.spent.every((role) => role.cost !== null);
    const seconds = (ms) => `${aloe.decimal(ms / 1000, 2)} s`;
    const row = ({ system, at }) => el("tr", {}, named({ system, at }), cell(aloe.count(system.report.cases)), cell(aloe.count(system.report.scored)),
      cell(aloe.count(system.report.refused)), cell(aloe.count(system.report.unscored)), cell(figure(system.reply_words, 1)),
      cell(system.reply_ms ? seconds(system.reply_ms[0]) : "–", system.reply_ms && `90%: ${seconds(system.reply_ms[1])}`),
      cell(aloe.count(sum(system, "calls"))), cell(aloe.count(sum(system, "prompt_tokens") + sum(system, "completion_tokens"))),
      cell(known(system) ? `$${aloe.decimal(sum(system, "cost"), 2)}` : "–"));
    const columns = ["system", "cases", "scored", "refused", "unscored", "words a reply", "time a reply", "calls", "tokens", "cost"];
    return el("section", { class: "card" }, el("h2", {}, "Cost and speed"), table(columns, entries().map(row)),
      el("p", { class: "soft small" }, "Time: the median of what the candidate took. Calls and tokens: those of the user, the judge and a candidate behind a provider; a candidate in our engine makes none. A dash: no price is known."));
  };

  const score = (outcome) => (typeof outcome === "object" ? String(outcome.scored) : outcome);
  const mean = (transcript) => {
    const scores = transcript.turns.map((turn) => turn.outcome.scored).filter((value) => value !== undefined);
    return scores.reduce((sum, value) => sum + value, 0) / scores.length;
  };
  const transcript = (one) => {
    const turn = (talk) => [
      el("p", { class: "said user-said text" }, talk.user), el("p", { class: "said text" }, talk.reply),
      el("div", { class: "verdict-of" }, el("span", { class: "mark-of", title: "the judge's score" }, score(talk.outcome)),
        talk.remembered.length > 0 && el("details", {}, el("summary", {}, `knew ${talk.remembered.length}`), el("ul", {}, talk.remembered.map((words) => el("li", { class: "text" }, words)))))];
    return el("details", { class: "case" },
      el("summary", {}, el("b", {}, aloe.decimal(mean(one), 2)), el("span", {}, one.persona.id), el("span", { class: "soft text" }, one.turns.map((talk) => score(talk.outcome)).join("  "))),
      el("div", { class: "case-body" },
        el("div", { class: "two" }, el("div", {}, el("h4", {}, "profile"), el("p", { class: "text" }, one.persona.profile)), el("div", {}, el("h4", {}, "personality"), el("p", { class: "text" }, one.persona.personality))),
        el("div", { class: "dialogue" }, one.turns.map(turn))));
  };

  const transcripts = () => {
    const room = el("div", { class: "stack tight" });
    const draw = () => {
      const system = aloe.run.benchmark.systems[chosen];
      const end = (title, list) => list.length > 0 && [el("h4", {}, title), el("div", {}, list.map(transcript))];
      aloe.put(room, end("the best cases", system.best), end("the worst cases", system.worst));
    };
    const select = el("select", { id: "system-shown", onchange: (event) => { chosen = Number(event.target.value); draw(); } },
      entries().map(({ system, at }) => el("option", { value: at, selected: at === chosen }, system.name)));
    draw();
    return el("section", { class: "card" }, el("h2", {}, "Best and worst transcripts"),
      el("label", { class: "field" }, el("span", {}, "system"), select), room);
  };

  const made = () =>
    el("section", { class: "card quiet" }, el("details", {}, el("summary", {}, "How it was made"), entries().map(({ system }) =>
      el("div", {}, el("h3", {}, system.name), el("dl", { class: "pairs" },
        Object.entries({ run: system.run, ...system.system, adapter: system.adapter || "–", user: system.user, judge: system.judge, seed: system.seed, rounds: system.rounds }).map(([name, value]) => [el("dt", {}, name), el("dd", {}, String(value))]))))));

  const render = (root) => {
    const { remarks } = aloe.run.benchmark;
    return el("div", { class: "stack" },
      remarks.length > 0 && el("ul", { class: "notice" }, remarks.map((remark) => el("li", {}, remark))),
      results(), curves(root), rates(), distributions(), facts(), cost(), transcripts(), made());
  };

  if (aloe.run.benchmark) aloe.sections.push({ id: "benchmark", title: "Benchmark", render });
})();
