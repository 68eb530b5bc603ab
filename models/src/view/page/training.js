// Training runs: what each step and each measurement on held-out examples said.
(() => {
  const { el } = aloe;
  const KINDS = ["with", "without", "tie", "eval"];
  const training = aloe.run.training || [];

  const figure = (value) => {
    if (value === 0) return "0";
    return Math.abs(value) < 1e-3 ? value.toExponential(1) : aloe.count(Number(value.toPrecision(4)));
  };

  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";

  // Axes show three decimals: small figures are drawn in a power of ten, which stands beside the unit.
  const powerFor = (most) => (most > 0 && most < 0.1 ? Math.ceil(-Math.log10(most)) : 0);
  const powerText = (power) => (power === 0 ? "" : ` × 10⁻${[...String(power)].map((digit) => SUPERSCRIPTS[digit]).join("")}`);

  // Round ends of an axis around figures that do not begin at zero.
  const ends = (least, most) => {
    const room = most - least || Math.abs(most) || 1;
    const power = 10 ** Math.floor(Math.log10(room / 4));
    const step = [1, 2, 2.5, 5, 10].map((part) => part * power).find((part) => part >= room / 4);
    const low = Math.floor(least / step + 1e-9) * step;
    return [Number(low.toPrecision(6)), Number(Math.max(Math.ceil(most / step - 1e-9) * step, low + step).toPrecision(6))];
  };

  // name of the figure, of the one that is held out, title, unit
  const CURVES = [
    ["loss", "eval_loss", "Loss", "nats", true],
    ["rewards/margins", "rewards/margins", "Reward margin", "chosen − rejected", true],
    ["rewards/accuracies", "rewards/accuracies", "Preference accuracy", "share of pairs"],
    ["rewards/chosen", "rewards/chosen", "Reward of chosen", "β × log ratio", true],
    ["rewards/rejected", "rewards/rejected", "Reward of rejected", "β × log ratio", true],
    ["token_accuracy", "eval_token_accuracy", "Token accuracy", "share of tokens"],
    ["grad_norm", null, "Gradient norm", "before clipping"],
    ["lr", null, "Learning rate", "AdamW"],
    ["tokens_per_s", null, "Speed", "tokens a second"],
    ["peak_mib", null, "Peak memory", "MiB"],
  ];

  const points = (lines, name) => lines.filter((line) => typeof line[name] === "number").map((line) => [line.step, line[name]]);

  const curve = ([name, heldName, title, unit, fit]) => {
    const series = training.flatMap((run, at) => {
      const kind = KINDS[at % KINDS.length], of = training.length > 1 ? `${run.name}, ` : "";
      const heldKind = training.length > 1 ? `${kind} held` : "eval held";
      return [
        { name: `${of}training`, kind, points: points(run.steps, name) },
        { name: `${of}held out`, kind: heldKind, points: heldName ? points(run.held_out, heldName) : [] },
      ];
    }).filter((line) => line.points.length > 0);
    if (series.length === 0) return null;
    const heights = series.flatMap((line) => line.points.map((point) => point[1]));
    const power = powerFor(Math.max(...heights.map(Math.abs)));
    for (const line of series) line.points = line.points.map(([step, value]) => [step, Number((value * 10 ** power).toPrecision(6))]);
    const scaled = heights.map((value) => value * 10 ** power);
    const [least, most] = fit ? ends(Math.min(...scaled), Math.max(...scaled)) : [0, Math.max(...scaled)];
    return el("section", { class: "card", "data-curve": name },
      aloe.lines({ title, x: "step", y: unit + powerText(power), series, least, most }));
  };

  const tile = (number, name, note) =>
    el("div", { class: "tile" }, el("b", {}, number), el("span", {}, name), note && el("small", {}, note));

  const fromTo = (run, name) => {
    const known = points(run.held_out, name);
    return known.length > 0 && [figure(known.at(-1)[1]), known.length > 1 ? `${figure(known[0][1])} at step ${known[0][0]}` : `at step ${known[0][0]}`];
  };

  const summary = (run) => {
    const last = run.steps.at(-1);
    const measured = [["eval_loss", "held-out loss"], ["rewards/margins", "held-out margin"], ["rewards/accuracies", "held-out accuracy"], ["eval_token_accuracy", "held-out token accuracy"]]
      .map(([name, words]) => [fromTo(run, name), words]).filter(([found]) => found);
    const numbers = run.config?.numbers || {};
    return el("section", { class: "stack tight training-run" },
      el("h2", {}, run.name, " ", numbers.task && el("span", { class: "chip" }, numbers.task === "dpo" ? `dpo, ${numbers.loss}` : numbers.task)),
      el("div", { class: "tiles" },
        tile(aloe.count(last?.step || 0), "steps", last ? `epoch ${aloe.decimal(last.epoch, 2)}` : null),
        last && tile(figure(last.loss), "loss", "of the last step"),
        measured.map(([[now, before], words]) => tile(now, words, before)),
        last?.peak_mib && tile(aloe.count(last.peak_mib), "MiB at the peak", `${figure(last.tokens_per_s)} tokens a second`)),
      run.all_steps > run.steps.length && el("p", { class: "soft small" }, `${aloe.count(run.steps.length)} of ${aloe.many(run.all_steps, "step")} are drawn.`));
  };

  const render = () => el("div", { class: "stack" },
    training.map(summary),
    training.every((run) => run.steps.length === 0) && el("p", { class: "empty" }, "No step is done yet: load the page again in a while."),
    el("div", { class: "curves" }, CURVES.map(curve)),
    aloe.served && el("p", { class: "soft small" }, "Loading the page again shows the steps that are done by then."));

  // A folder that is a training run and nothing else opens with its curves.
  const alone = aloe.run.pool.length === 0 && aloe.run.conversations.length === 0;
  if (training.length > 0) aloe.sections[alone ? "unshift" : "push"]({ id: "training", title: "Training", render });
})();
