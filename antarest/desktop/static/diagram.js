// Changes the size of the diagram, moves it, and chooses a table. Without this file, a choice loads the page again.
"use strict";

const picture = document.querySelector(".picture");
const canvas = picture.querySelector(".canvas");
const svg = canvas.querySelector("svg");
const shown = picture.querySelector("output");
const width = svg.viewBox.baseVal.width;
const height = svg.viewBox.baseVal.height;
const [SMALLEST, LARGEST, STEP] = [0.2, 3, 1.2];
let scale = 1;

// ---- size

function resize(wanted, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  // The point of the picture at (x, y) of the canvas stays there.
  const place = canvas.getBoundingClientRect();
  const before = svg.getBoundingClientRect();
  const [right, down] = [place.left + x - before.left, place.top + y - before.top].map((part) => part / scale);
  scale = Math.min(LARGEST, Math.max(SMALLEST, wanted));
  svg.style.width = `${width * scale}px`;
  svg.style.height = `${height * scale}px`;
  const after = svg.getBoundingClientRect();
  canvas.scrollLeft += after.left + right * scale - (place.left + x);
  canvas.scrollTop += after.top + down * scale - (place.top + y);
  shown.value = `${Math.round(scale * 100)} %`;
}

function fit() {
  resize(Math.min(1, canvas.clientWidth / width, canvas.clientHeight / height));
}

const sizes = {
  in: () => resize(scale * STEP),
  out: () => resize(scale / STEP),
  fit,
};

picture.querySelector(".tools").addEventListener("click", (event) => {
  sizes[event.target.dataset.zoom]?.();
});

const keys = { "+": sizes.in, "=": sizes.in, "-": sizes.out, 0: fit };
const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

canvas.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const [x, y] = arrows[event.key] ?? [0, 0];
  if (keys[event.key]) keys[event.key]();
  else if (x || y) canvas.scrollBy(x * 80, y * 80);
  else return;
  event.preventDefault();
});

canvas.addEventListener(
  "wheel",
  (event) => {
    // Browsers report a pinch with two fingers as a wheel with Ctrl. The wheel without Ctrl scrolls.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const place = canvas.getBoundingClientRect();
    const pixels = event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY : event.deltaY * 40;
    resize(scale * Math.exp(-pixels / 400), event.clientX - place.left, event.clientY - place.top);
  },
  { passive: false },
);

// ---- moving the diagram with the mouse; the browser itself scrolls with fingers

let grip = null;
let moved = false;

canvas.addEventListener("pointerdown", (event) => {
  if (event.pointerType !== "mouse" || event.button !== 0) return;
  grip = { x: event.clientX + canvas.scrollLeft, y: event.clientY + canvas.scrollTop };
  moved = false;
});

window.addEventListener("pointermove", (event) => {
  if (!grip) return;
  const [left, top] = [grip.x - event.clientX, grip.y - event.clientY];
  if (!moved && Math.hypot(left - canvas.scrollLeft, top - canvas.scrollTop) < 4) return;
  moved = true;
  canvas.classList.add("moving");
  canvas.scrollTo({ left, top, behavior: "instant" });
});

window.addEventListener("pointerup", () => {
  grip = null;
  canvas.classList.remove("moving");
});

svg.addEventListener("dragstart", (event) => event.preventDefault());

// ---- the chosen table

function choose(name) {
  const near = new Set();
  for (const edge of svg.querySelectorAll(".edge")) {
    const ends = [edge.dataset.from, edge.dataset.to];
    edge.classList.toggle("near", ends.includes(name));
    if (ends.includes(name)) ends.forEach((end) => near.add(end));
  }
  for (const box of svg.querySelectorAll(".box")) {
    const table = box.dataset.select;
    box.classList.toggle("chosen", table === name);
    box.classList.toggle("near", table !== name && near.has(table));
    if (table === name) box.setAttribute("aria-current", "true");
    else box.removeAttribute("aria-current");
  }
  svg.classList.toggle("has-choice", name !== "");
  document.querySelector(".schema").classList.toggle("has-choice", name !== "");
  for (const section of document.querySelectorAll("[data-table]")) section.hidden = section.dataset.table !== name;
}

function follow(event) {
  const link = event.target.closest("[data-select]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (moved) {
    moved = false;
    return;
  }
  const name = link.dataset.select;
  history.pushState({}, "", link.getAttribute("href"));
  choose(name);
  show(name);
  if (link.closest(".panel")) {
    document.querySelector(`section[data-table="${CSS.escape(name)}"] h2`).focus();
  }
}

function show(name) {
  // If a table is not completely visible, scroll to the table.
  const box = svg.querySelector(`.box[data-select="${CSS.escape(name)}"]`);
  if (!box) return;
  const [place, table] = [canvas.getBoundingClientRect(), box.getBoundingClientRect()];
  const inside = table.left >= place.left && table.right <= place.right && table.top >= place.top && table.bottom <= place.bottom;
  if (inside) return;
  canvas.scrollBy(
    table.left + table.width / 2 - place.left - place.width / 2,
    table.top + table.height / 2 - place.top - place.height / 2,
  );
}

document.querySelector(".schema").addEventListener("click", follow);
window.addEventListener("popstate", () => choose(new URLSearchParams(location.search).get("table") ?? ""));

picture.querySelector(".tools").hidden = false;
// On a narrow screen, a text would be too small to read if the whole diagram were shown.
resize(Math.max(0.5, Math.min(1, canvas.clientWidth / width, canvas.clientHeight / height)));
show(new URLSearchParams(location.search).get("table") ?? "");
