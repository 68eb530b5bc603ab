// Sections one at a time, by the part of the address behind the hash; keys, light and dark, help.
(() => {
  const { el } = aloe;
  const main = document.getElementById("main"), top = document.getElementById("top"), help = document.getElementById("help");
  const root = {};
  let current = null;
  aloe.argument = "";

  const remembered = () => { try { return localStorage.getItem("aloe-theme"); } catch { return null; } };
  const setTheme = (theme) => {
    if (theme) document.documentElement.dataset.theme = theme;
    try { localStorage.setItem("aloe-theme", theme); } catch { /* a file may have no storage */ }
  };
  const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  if (["light", "dark"].includes(remembered())) document.documentElement.dataset.theme = remembered();
  const turnTheme = () => setTheme(dark() ? "light" : "dark");

  aloe.show = () => {
    for (const name of Object.keys(root)) delete root[name];
    aloe.put(main, current.render(root));
    document.title = `${aloe.run.run} · ${current.title}`;
    for (const link of top.querySelectorAll("nav a")) {
      if (link.dataset.id === current.id) link.setAttribute("aria-current", "page");
      else link.removeAttribute("aria-current");
    }
  };
  const follow = () => {
    const [id, argument] = location.hash.slice(1).split("/");
    if (id === "main") return;
    const before = current;
    current = aloe.sections.find((section) => section.id === id) || aloe.sections[0];
    aloe.argument = argument || "";
    aloe.show();
    if (before !== current) scrollTo(0, 0);
  };

  const everywhere = {
    j: ["the next one", () => root.move?.(1)],
    k: ["the one before", () => root.move?.(-1)],
    "/": ["search", () => document.getElementById("search")?.focus()],
    t: ["light or dark", turnTheme],
    "?": ["these keys", () => (help.open ? help.close() : help.showModal())],
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    const section = aloe.sections[Number(event.key) - 1];
    const action = current.keys?.[event.key] || everywhere[event.key];
    if (help.open && event.key !== "?") return;
    if (section) location.hash = section.id;
    else if (action) action[1](root);
    else return;
    event.preventDefault();
  });

  const names = { ArrowLeft: "←", ArrowRight: "→", ArrowDown: "↓", Backspace: "⌫" };
  const keyList = (keys) => Object.entries(keys).map(([key, [what]]) => [el("dt", {}, aloe.key(names[key] || key)), el("dd", {}, what)]);
  help.append(el("h2", { id: "help-title" }, "Keys"),
    el("dl", { class: "keys" }, aloe.sections.map((section, at) => [el("dt", {}, aloe.key(String(at + 1))), el("dd", {}, section.title)]), keyList(everywhere)),
    aloe.sections.filter((section) => section.keys).map((section) => [el("h3", {}, section.title), el("dl", { class: "keys" }, keyList(section.keys))]),
    el("form", { method: "dialog" }, el("button", { class: "plain" }, "Close")));

  top.append(
    el("div", { class: "brand" }, el("span", { class: "mark", "aria-hidden": "true" }), el("div", {}, el("h1", {}, aloe.run.run), el("small", {}, aloe.served ? "aloe view" : "aloe report"))),
    el("nav", { "aria-label": "sections" }, aloe.sections.map((section, at) => el("a", { href: `#${section.id}`, "data-id": section.id }, section.title, aloe.key(String(at + 1))))),
    el("div", { class: "tools" }, el("button", { type: "button", class: "plain", title: "light or dark (t)", "aria-label": "light or dark", onclick: turnTheme }, "◐"),
      el("button", { type: "button", class: "plain", title: "keys (?)", "aria-label": "keys", onclick: () => help.showModal() }, "?")));
  addEventListener("hashchange", follow);
  follow();
})();
