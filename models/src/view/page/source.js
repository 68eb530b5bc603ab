// Where the page gets its data: out of itself, or from the server that it came from.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  aloe.run = data.contents;
  aloe.served = data.token !== null;

  const ask = async (path, options) => {
    const answer = await fetch(path, { ...options, headers: { "x-aloe-token": data.token } });
    if (!answer.ok) throw new Error((await answer.json().catch(() => null))?.error || `the server answered ${answer.status}`);
    return answer.json();
  };

  const spoken = (tree) =>
    [tree.persona.id, tree.persona.profile, tree.persona.personality]
      .concat(tree.nodes.flatMap((node) => [node.user.text, node.preferred.text, node.rejected.text]))
      .join("\n")
      .toLowerCase();

  const kept = new Map();
  // The conversation at this place; nothing where the file does not hold it.
  aloe.conversation = async (place) => {
    if (!aloe.served) return data.trees[place] || null;
    if (!kept.has(place)) kept.set(place, await ask(`/conversation?place=${place}`));
    return kept.get(place);
  };

  // Places of the conversations that hold all the words.
  aloe.search = async (words) => {
    if (aloe.served) return ask(`/search?words=${encodeURIComponent(words)}`);
    const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
    const found = [];
    data.trees.forEach((tree, place) => {
      const text = spoken(tree);
      if (wanted.every((word) => text.includes(word))) found.push(place);
    });
    return found;
  };

  aloe.rate = async (rating) => {
    await ask("/rating", { method: "POST", body: JSON.stringify(rating) });
    aloe.run.ratings.push(rating);
  };

  const name = (conversation, attempt, node) => `${conversation}/${attempt}/${node}`;
  // The newest rating of each turn.
  aloe.ratings = () => new Map(aloe.run.ratings.map((rating) => [name(rating.conversation, rating.attempt, rating.node), rating]));
  aloe.ratingOf = (tree, node) => aloe.ratings().get(name(tree.id, tree.attempt, node));
  // Which reply the person preferred, by its name in the tree.
  aloe.preferredBy = (rating) =>
    rating.choice === "tie" ? "tie" : (rating.choice === "left") === (rating.left === "preferred") ? "preferred" : "rejected";
})();
