// Training runs: what each step and each measurement on held-out examples said.
(() => {
  const { el } = aloe;
  const KINDS = ["with", "without", "tie", "eval"];
  const training = aloe.run.training || [];

  // Six digits that mean something, and powers of ten only where they are shorter.
  const figure = (value) => {
    if (value === 0) return "0";
    const size = Math.abs(value);
    return size < 1e-3 || size >= 1e7 ? value.toExponential(1).replace("e+", "e") : aloe.count(Number(value.toPrecision(4)));
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
    ["lr", null, "Learning rate", "a step"],
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
    return series.length > 0 && el("section", { class: "card", "data-curve": name }, aloe.lines({ title, x: "step", y: unit, series, fit, shown: figure }));
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
      el("h2", {}, run.name, numbers.task && el("span", { class: "soft" }, ` ${numbers.task}${numbers.task === "dpo" ? `, ${numbers.loss}` : ""}`)),
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
