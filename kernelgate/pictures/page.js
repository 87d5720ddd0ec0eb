"use strict";

const figures = JSON.parse(document.getElementById("figures").textContent);
const drawn = new Set();
const config = { responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]] };

// Figures name their colours as page.css does, so that one figure serves light and dark.
function coloured(value, style) {
  if (Array.isArray(value)) return value.map((item) => coloured(item, style));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, coloured(item, style)]));
  }
  const name = typeof value === "string" && value.match(/^var\((--[a-z]+)\)$/);
  return name ? style.getPropertyValue(name[1]).trim() || value : value;
}

function draw(place) {
  const figure = coloured(figures[place.dataset.figure], getComputedStyle(document.documentElement));
  Plotly.react(place, figure.data, figure.layout, config);
  drawn.add(place);
}

function drawIn(element) {
  for (const place of element.querySelectorAll(".figure")) if (!drawn.has(place)) draw(place);
}

// A row and the detail row that its button opens.
const rows = [...document.querySelectorAll("tr.row")].map((row) => ({
  row,
  detail: row.nextElementSibling,
  button: row.querySelector("button.open"),
  text: row.textContent.toLowerCase(),
}));
const isOpen = (entry) => entry.button.getAttribute("aria-expanded") === "true";

function toggle(entry) {
  const open = !isOpen(entry);
  entry.button.setAttribute("aria-expanded", open);
  entry.detail.hidden = !open;
  if (open) drawIn(entry.detail);
}

function filter() {
  const words = document.getElementById("search").value.toLowerCase().split(/\s+/);
  const tags = [...document.querySelectorAll('.chip[aria-pressed="true"]')].map((chip) => chip.dataset.tag);
  let shown = 0;
  for (const entry of rows) {
    const tagged = tags.length === 0 || tags.includes(entry.row.dataset.tag);
    const visible = tagged && words.every((word) => entry.text.includes(word));
    entry.row.hidden = !visible;
    entry.detail.hidden = !visible || !isOpen(entry);
    shown += visible;
  }
  document.getElementById("shown").textContent = `${shown} of ${rows.length}`;
}

for (const entry of rows) {
  entry.row.addEventListener("click", () => {
    // Marking text in a row, to copy it, is no click on the row.
    if (document.getSelection().isCollapsed) toggle(entry);
  });
}
for (const chip of document.querySelectorAll(".chip")) {
  chip.addEventListener("click", () => {
    chip.setAttribute("aria-pressed", chip.getAttribute("aria-pressed") !== "true");
    filter();
  });
}
document.getElementById("search")?.addEventListener("input", filter);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach(draw));
for (const section of document.querySelectorAll("section.drawn")) drawIn(section);
