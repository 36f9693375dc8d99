"use strict";
// What the page can do beyond showing: sort and filter tables, read the map, copy a line, switch colours.
// Without this script every table is a plain table and nothing is hidden but these controls.

(() => {
  const root = document.documentElement;
  root.classList.add("scripted");
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // -- light and dark ----------------------------------------------------------------------------------
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const nameTheme = () => { theme.textContent = isDark() ? "Light" : "Dark"; };
  theme.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    nameTheme();
  });
  system.addEventListener("change", nameTheme);
  nameTheme();

  // -- tables ------------------------------------------------------------------------------------------
  const value = (cell, numeric) => {
    const text = cell.textContent.trim();
    return numeric ? Number(text.replaceAll(",", "")) : text.toLowerCase();
  };

  function sortBy(table, heading) {
    const column = [...heading.parentNode.children].indexOf(heading);
    const numeric = heading.classList.contains("n");
    const down = heading.getAttribute("aria-sort") === "ascending";
    const keyed = [...table.tBodies[0].rows].map((row) => [value(row.cells[column], numeric), row]);
    keyed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0) * (down ? -1 : 1));
    table.tBodies[0].append(...keyed.map(([, row]) => row));
    for (const other of heading.parentNode.children) other.removeAttribute("aria-sort");
    heading.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  function filterOf(table) {
    const rows = [...table.tBodies[0].rows].map((row) => [row, row.textContent.toLowerCase()]);
    const input = make("input", { type: "search", id: `${table.id}-filter`, autocomplete: "off", spellcheck: false });
    const count = make("output", { id: `${table.id}-count` });
    const show = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0;
      for (const [row, text] of rows) {
        row.hidden = !words.every((word) => text.includes(word));
        shown += !row.hidden;
      }
      count.textContent = `${shown} of ${rows.length} rows`;
    };
    input.addEventListener("input", show);
    show();
    return make("div", { className: "filter" }, make("label", { htmlFor: input.id }, "Filter"), input, count);
  }

  for (const table of all("table.sortable")) {
    for (const heading of all("thead th", table)) {
      const button = make("button", { type: "button" }, ...heading.childNodes);
      button.addEventListener("click", () => sortBy(table, heading));
      heading.append(button);
    }
    if (table.tBodies[0].rows.length > 8) table.parentNode.before(filterOf(table));
  }

  // -- the map -----------------------------------------------------------------------------------------
  const plot = document.getElementById("map-plot");
  if (plot) {
    const readout = document.getElementById("map-readout");
    const cursor = plot.querySelector(".cursor");
    const rows = [...document.getElementById("operations-table").tBodies[0].rows];
    const texts = rows.map((row) => [...row.cells].map((cell) => cell.textContent));
    const starts = all(".spots rect", plot).map((rect) => rect.x.baseVal.value); // per cent of the width
    let chosen = -1;

    const choose = (wanted) => {
      chosen = Math.max(0, Math.min(rows.length - 1, wanted));
      const [number, session, entry, kind, partition, address, bytes, at, takes, lead, edges, outcomes, findings] = texts[chosen];
      const words = [
        `${number} of ${rows.length}: ${kind} of ${bytes} bytes at ${partition} ${address}, session ${session}, entry ${entry}, `,
        `at ${at} ms for ${takes} ms. `,
        `A cut leads to: ${lead}. ${edges} edges: ${outcomes || "none tried"}. Findings: ${findings}.`,
      ].join("");
      readout.textContent = words;
      plot.setAttribute("aria-valuenow", String(chosen + 1));
      plot.setAttribute("aria-valuetext", words);
      cursor.hidden = false;
      cursor.style.left = `${starts[chosen]}%`;
      cursor.style.width = `${(starts[chosen + 1] ?? 100) - starts[chosen]}%`;
    };
    const at = (event) => {
      const box = plot.getBoundingClientRect();
      const across = (100 * (event.clientX - box.left)) / box.width;
      const after = starts.findIndex((start) => start > across);
      choose(after < 0 ? rows.length - 1 : after - 1);
    };
    plot.addEventListener("pointermove", at);
    plot.addEventListener("pointerdown", at);
    plot.addEventListener("focus", () => { if (chosen < 0) choose(0); });
    const page = Math.max(1, Math.round(rows.length / 10));
    const steps = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageUp: page, PageDown: -page };
    plot.addEventListener("keydown", (event) => {
      if (event.key in steps) choose(chosen + steps[event.key]);
      else if (event.key === "Home") choose(0);
      else if (event.key === "End") choose(rows.length - 1);
      else return;
      event.preventDefault();
    });
  }

  // -- copying -----------------------------------------------------------------------------------------
  const select = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  for (const button of all("button.copy")) {
    const source = document.getElementById(button.dataset.copies);
    button.addEventListener("click", async () => {
      select(source);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        button.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
      }
    });
  }

  // -- printing ----------------------------------------------------------------------------------------
  let opened = [];
  addEventListener("beforeprint", () => {
    opened = all("details.story:not([open])");
    for (const story of opened) story.open = true;
  });
  addEventListener("afterprint", () => { for (const story of opened) story.open = false; });
})();
