// Rating by hand, blind: two replies without their names, in an order that says nothing, and no verdict to lean on.
(() => {
  const { el } = aloe;
  const state = { queue: null, at: 0, item: null };

  // Turns of all taken conversations in an order that follows from the run alone, rated ones left out.
  const build = () => {
    const rated = aloe.ratings();
    const turns = aloe.run.conversations.flatMap((row, place) => (row.rejection ? [] :
      Array.from({ length: row.turns }, (_, node) => ({ place, node, name: `${row.id}/${row.attempt}/${node}` }))));
    state.queue = turns.filter((turn) => !rated.has(turn.name)).sort((a, b) => aloe.hash(a.name) - aloe.hash(b.name));
    state.at = 0;
  };

  const render = (root) => {
    if (state.queue === null) build();
    const place = el("div", { class: "rating" });
    const show = async () => {
      const turn = state.queue[state.at];
      state.item = null;
      if (!turn) {
        aloe.put(place, el("p", { class: "empty" }, aloe.run.ratings.length ? "Every turn has been rated." : "There is nothing to rate."));
        return;
      }
      let tree;
      try {
        tree = await aloe.conversation(turn.place);
      } catch (error) {
        aloe.put(place, el("p", { class: "empty" }, `It cannot be shown: ${error.message}`));
        return;
      }
      const node = tree.nodes[turn.node];
      const left = aloe.hash(`${turn.name} left`) % 2 ? "preferred" : "rejected";
      const right = left === "preferred" ? "rejected" : "preferred";
      state.item = { conversation: tree.id, attempt: tree.attempt, node: turn.node, left };
      const path = aloe.pathTo(tree, turn.node);
      const history = path.slice(0, -1).map((before, at) => {
        const branch = tree.nodes[path[at + 1]].parent[1];
        return [el("p", { class: "said user-said" }, tree.nodes[before].user.text), el("p", { class: "said" }, tree.nodes[before][branch].text)];
      });
      const button = (side, branch, key) => el("button", { type: "button", class: "choice", id: `rate-${side}`, onclick: () => rate(side) },
        el("span", { class: "choice-head" }, side === "left" ? "Left" : "Right", aloe.key(key)), el("span", { class: "text" }, node[branch].text));
      aloe.put(place,
        el("div", { class: "card persona" }, el("h2", {}, "Which reply would this person rather get?"),
          el("div", { class: "two" }, el("div", {}, el("h4", {}, "Profile"), el("p", { class: "text" }, tree.persona.profile)), el("div", {}, el("h4", {}, "Personality"), el("p", { class: "text" }, tree.persona.personality)))),
        el("div", { class: "card chat" }, history, el("p", { class: "said user-said now" }, node.user.text)),
        el("div", { class: "choices" }, button("left", left, "←"), button("right", right, "→")),
        el("div", { class: "toolbar center" },
          el("button", { type: "button", class: "plain", id: "rate-tie", onclick: () => rate("tie") }, "Neither is better ", aloe.key("↓")),
          el("button", { type: "button", class: "plain", onclick: () => step(1) }, "Leave it out ", aloe.key("s")),
          el("button", { type: "button", class: "plain", onclick: () => step(-1) }, "Back ", aloe.key("⌫")),
          el("span", { class: "soft", id: "rated" }, `${aloe.many(aloe.ratings().size, "turn")} rated, ${aloe.count(Math.max(state.queue.length - state.at, 0))} left`)));
    };
    const step = (by) => {
      state.at = Math.min(Math.max(state.at + by, 0), state.queue.length);
      return show();
    };
    let saving = false;
    const rate = async (choice) => {
      if (!state.item || saving) return;
      saving = true;
      try {
        await aloe.rate({ ...state.item, choice });
        aloe.say("Saved.");
        await step(1);
      } catch (error) {
        aloe.say(`It was not saved: ${error.message}`);
      } finally {
        saving = false;
      }
    };
    root.rate = rate;
    root.step = step;
    show();
    return place;
  };

  if (aloe.served) {
    aloe.sections.push({
      id: "rate", title: "Rate", render,
      keys: {
        ArrowLeft: ["the left reply is better", (root) => root.rate("left")],
        ArrowRight: ["the right reply is better", (root) => root.rate("right")],
        ArrowDown: ["neither is better", (root) => root.rate("tie")],
        s: ["leave it out", (root) => root.step(1)],
        Backspace: ["go back, to rate anew", (root) => root.step(-1)],
      },
    });
  }
})();
