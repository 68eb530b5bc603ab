"use strict";
// What every section is built with. Texts become text nodes: there is no way here to turn one into markup.
const aloe = { sections: [] };
(() => {
  const SVG = "http://www.w3.org/2000/svg";

  const kept = (children) => children.flat(3).filter((child) => child !== null && child !== undefined && child !== false);

  // Puts these in the place of what a node held.
  aloe.put = (node, ...children) => node.replaceChildren(...kept(children));

  const build = (node, attributes, children) => {
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
      else node.setAttribute(name, value === true ? "" : String(value));
    }
    node.append(...kept(children));
    return node;
  };

  aloe.el = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
  aloe.svg = (tag, attributes, ...children) => build(document.createElementNS(SVG, tag), attributes, children);

  const grouped = new Intl.NumberFormat("en");
  aloe.count = (number) => grouped.format(number);
  aloe.many = (number, one, several) => `${aloe.count(number)} ${number === 1 ? one : several || one + "s"}`;
  aloe.percent = (part, whole) => (whole > 0 ? `${Math.round((100 * part) / whole)}%` : "–");
  aloe.decimal = (number, digits) => Number(number).toFixed(digits);

  // Says something to those who look and to those who listen.
  let silence;
  aloe.say = (words) => {
    const said = document.getElementById("said");
    said.textContent = words;
    said.classList.add("shown");
    clearTimeout(silence);
    silence = setTimeout(() => said.classList.remove("shown"), 2400);
  };

  aloe.sentences = (text) => (text || "").match(/[^.!?]+[.!?]*\s*/g)?.map((part) => part.trim()).filter(Boolean) || [];

  // A number that follows from a text: the same turn is always shown the same way round.
  aloe.hash = (text) => {
    let hash = 2166136261;
    for (let at = 0; at < text.length; at += 1) hash = Math.imul(hash ^ text.charCodeAt(at), 16777619);
    hash ^= hash >>> 15;
    hash = Math.imul(hash, 2246822507);
    return (hash ^ (hash >>> 13)) >>> 0;
  };

  aloe.key = (name) => aloe.el("kbd", {}, name);
})();
