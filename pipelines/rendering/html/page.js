"use strict";
const root = document.documentElement;

document.getElementById("theme").addEventListener("click", () => {
  const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = isDark ? "light" : "dark";
});

// ---- what is folded opens where a link leads, and on paper ----

function reveal(hash) {
  const place = hash && document.getElementById(decodeURIComponent(hash.slice(1)));
  const folded = place && (place.querySelector("details") || place.closest("details"));
  if (folded) folded.open = true;
}

document.querySelectorAll("nav.contents a").forEach((link) => link.addEventListener("click", () => reveal(link.hash)));
addEventListener("hashchange", () => reveal(location.hash));
addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((one) => { one.open = true; }));
reveal(location.hash);

// ---- tables are sorted by the column whose head is pressed: one way, the other, and as they were ----

const NUMBER = /^[▲▼=\s]*([+-]?[\d,]*\.?\d+(?:e[+-]?\d+)?)(?:\s?[a-z%]+)?$/i;
const textOf = (cell) => (cell.firstChild ? cell.firstChild.textContent.trim() : "");

function sorted(rows, column, way) {
  const texts = new Map(rows.map((row) => [row, textOf(row.cells[column])]));
  const isKnown = (row) => !["", "–"].includes(texts.get(row));
  const numbers = new Map(rows.map((row) => [row, Number((NUMBER.exec(texts.get(row)) || [])[1]?.replaceAll(",", ""))]));
  const isNumeric = rows.filter(isKnown).every((row) => !Number.isNaN(numbers.get(row)));
  const compared = (a, b) => (isNumeric ? numbers.get(a) - numbers.get(b) : texts.get(a).localeCompare(texts.get(b), "en"));
  return [...rows.filter(isKnown).sort((a, b) => way * compared(a, b)), ...rows.filter((row) => !isKnown(row))];
}

function makeSortable(table) {
  const body = table.tBodies[0], asMade = [...body.rows], heads = [...table.tHead.rows[table.tHead.rows.length - 1].cells];
  heads.forEach((head, column) => {
    if (!head.textContent) return;
    const button = document.createElement("button"), ways = column ? ["descending", "ascending"] : ["ascending", "descending"];
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const way = ways[ways.indexOf(head.getAttribute("aria-sort")) + 1];
      heads.forEach((one) => one.removeAttribute("aria-sort"));
      if (way) head.setAttribute("aria-sort", way);
      body.append(...(way ? sorted(asMade, column, way === "ascending" ? 1 : -1) : asMade));
    });
  });
}

document.querySelectorAll("table").forEach((table) => { if (table.tBodies[0].rows.length > 1) makeSortable(table); });

// ---- marks of charts say their values: under a pointer, a finger, or with the arrow keys ----

const tip = document.getElementById("tip");
let told = null;

function tell(mark) {
  if (told) told.classList.remove("told");
  told = mark;
  tip.textContent = mark ? mark.dataset.tip : "";
  if (!mark) return;
  mark.classList.add("told");
  const at = mark.getBoundingClientRect(), box = tip.getBoundingClientRect(), edge = 8;
  const left = Math.max(edge, Math.min(innerWidth - box.width - edge, at.left + at.width / 2 - box.width / 2));
  const above = at.top - box.height - edge;
  tip.style.left = `${left}px`;
  tip.style.top = `${above > 0 ? above : at.bottom + edge}px`;
}

document.addEventListener("pointerover", (event) => tell(event.target.closest("[data-tip]")));
addEventListener("scroll", () => tell(null), { passive: true });

document.querySelectorAll(".chart").forEach((chart) => {
  const marks = [...chart.querySelectorAll("[data-tip]")];
  chart.addEventListener("keydown", (event) => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") tell(null);
    if (!by || !marks.length) return;
    event.preventDefault();
    const place = marks.indexOf(told);
    tell(marks[place < 0 ? (by > 0 ? 0 : marks.length - 1) : (place + by + marks.length) % marks.length]);
  });
  chart.addEventListener("blur", () => tell(null));
});
