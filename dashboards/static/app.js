"use strict";
// Sorting, choosing columns, picking runs, drawing plots, following what still runs. Pages work without it.
(() => {
  const root = document.documentElement;
  const stored = (key) => { try { return localStorage.getItem(key); } catch { return null; } };
  const store = (key, value) => { try { localStorage.setItem(key, value); } catch { /* a browser may refuse */ } };
  if (stored("theme")) root.dataset.theme = stored("theme");
  const isDark = () => root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;

  // Tables: a click on a head sorts by it, the baseline stays first; unknown comes last.

  function sortable(table) {
    const heads = table.tHead.rows[table.tHead.rows.length - 1].cells;
    [...heads].forEach((head, at) => {
      if (head.querySelector(".sorter")) return;
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sorter";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sortBy(table, heads, at));
    });
  }

  function sortBy(table, heads, at) {
    const falling = heads[at].getAttribute("aria-sort") === "ascending";
    [...heads].forEach((head) => head.removeAttribute("aria-sort"));
    heads[at].setAttribute("aria-sort", falling ? "descending" : "ascending");
    const body = table.tBodies[0];
    const key = (row) => { const cell = row.cells[at]; return cell.dataset.key ?? cell.textContent.trim(); };
    const rows = [...body.rows];
    const pinned = rows.filter((row) => row.classList.contains("baseline"));
    const free = rows.filter((row) => !row.classList.contains("baseline"));
    const numeric = free.every((row) => key(row) === "" || Number.isFinite(Number(key(row))));
    free.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = numeric ? Number(x) - Number(y) : x.localeCompare(y, "en", { numeric: true });
      return falling ? -order : order;
    });
    body.append(...pinned, ...free);
  }

  // Columns: which are shown stands in the address, so that a view can be shared.

  function choosable(box) {
    const table = document.getElementById(box.dataset.columns);
    const name = `columns-${box.dataset.columns}`;
    const given = new URLSearchParams(location.search).get(name);
    const inputs = [...box.querySelectorAll("input")];
    if (given !== null) inputs.forEach((one) => { one.checked = given.split(",").includes(one.value); });
    const show = () => {
      inputs.forEach((one) => table.querySelectorAll(`[data-col="${one.value}"]`).forEach((cell) => { cell.hidden = !one.checked; }));
      table.querySelectorAll("[data-group]").forEach((head) => {
        const shown = table.tHead.rows[1].querySelectorAll(`[data-col^="${head.dataset.group}."]:not([hidden])`).length;
        head.hidden = shown === 0;
        if (shown) head.colSpan = shown;
      });
    };
    box.addEventListener("change", () => {
      const words = new URLSearchParams(location.search);
      words.set(name, inputs.filter((one) => one.checked).map((one) => one.value).join(","));
      history.replaceState(null, "", `${location.pathname}?${words}`);
      show();
    });
    show();
  }

  // Runs: ticked ones are compared in the order they were ticked.

  function picking(form) {
    const button = form.querySelector("[data-compare]");
    const told = form.querySelector("[data-picked]");
    if (!button) return;
    const picked = new Set(JSON.parse(sessionStorage.getItem("picked") || "[]"));
    const boxes = () => [...form.querySelectorAll('input[name="run"]')];
    const show = () => {
      boxes().forEach((box) => { box.checked = picked.has(box.value); });
      button.disabled = picked.size < 2;
      told.textContent = picked.size ? `Baseline run ${[...picked][0]}${picked.size > 1 ? `, with ${[...picked].slice(1).join(", ")}` : ""}` : "Tick two or more; the first ticked is the baseline.";
    };
    form.addEventListener("change", (event) => {
      if (event.target.name !== "run") return;
      picked[event.target.checked ? "add" : "delete"](event.target.value);
      sessionStorage.setItem("picked", JSON.stringify([...picked]));
      show();
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      sessionStorage.removeItem("picked");
      location.href = `/compare?${[...picked].map((one) => `run=${one}`).join("&")}`;
    });
    show();
  }

  // Plots.

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  function faded(hex, share) {
    const [r, g, b] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    return `rgba(${r},${g},${b},${share})`;
  }
  function painted(value) {
    if (Array.isArray(value)) return value.map(painted);
    if (value && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, painted(one)]));
    if (typeof value !== "string" || !value.startsWith("@")) return value;
    if (value === "@scale") return [[0, colour("low")], [1, colour("high")]];
    if (value === "@scale_r") return [[0, colour("high")], [1, colour("low")]];
    const [name, share] = value.slice(1).split("/");
    return share ? faded(colour(name), share) : colour(name);
  }

  function draw(figure) {
    const canvas = figure.querySelector(".canvas");
    const choices = JSON.parse(figure.querySelector("script").textContent);
    const select = figure.querySelector("select");
    const made = painted(Object.values(choices)[select ? select.selectedIndex : 0]);
    const small = figure.clientWidth < 560;
    // Names of rows leave no room for a plot on a phone: their settings go on a second line.
    const folded = (name) => typeof name === "string" ? name.replace(" (", "<br>(") : name;
    if (small) made.data.forEach((one) => { if (one.type === "heatmap" || one.orientation === "h") one.y = one.y.map(folded); });
    const axis = { gridcolor: colour("line"), zerolinecolor: colour("line"), linecolor: colour("line"), ticks: "" };
    const layout = {
      ...made.layout,
      autosize: true,
      font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("ink") },
      paper_bgcolor: colour("paper"), plot_bgcolor: colour("paper"),
      margin: { l: 56, r: 16, t: 24, b: 48 },
      legend: { orientation: "h", y: -0.2, x: 0, font: { size: 12 } },
      hoverlabel: { bgcolor: colour("sheet"), font: { color: colour("ink") }, bordercolor: colour("line") },
      xaxis: { ...axis, ...made.layout.xaxis }, yaxis: { ...axis, ...made.layout.yaxis },
    };
    if (small) layout.legend.y = -0.3;
    figure.dataset.drawn = "yes";
    return Plotly.react(canvas, made.data, layout, { displayModeBar: false, responsive: true });
  }

  function plot(figure) {
    const select = figure.querySelector("select");
    if (select) select.addEventListener("change", () => draw(figure));
    figure.querySelectorAll("[data-save]").forEach((button) => button.addEventListener("click", async () => {
      await draw(figure);
      const canvas = figure.querySelector(".canvas");
      Plotly.downloadImage(canvas, { format: button.dataset.save, filename: figure.dataset.plot, width: canvas.clientWidth, height: canvas.clientHeight, scale: button.dataset.save === "png" ? 2 : 1 });
    }));
    watcher.observe(figure);
  }
  const watcher = new IntersectionObserver((seen) => seen.forEach((one) => {
    if (!one.isIntersecting) return;
    watcher.unobserve(one.target);
    draw(one.target);
  }), { rootMargin: "300px" });
  const redraw = () => document.querySelectorAll("[data-drawn]").forEach(draw);

  // What still runs: the page is asked for again when the store has changed, unless a reader is busy in it.

  let pulse = null;
  async function follow() {
    const main = document.getElementById("main");
    const wait = Number(main.dataset.live);
    if (!wait) return;
    setTimeout(follow, wait * 1000);
    if (document.hidden) return;
    try {
      const now = await (await fetch("/pulse")).text();
      if (now === pulse && !main.querySelector("[data-waiting]")) return;
      const first = pulse === null && !main.querySelector("[data-waiting]");
      pulse = now;
      if (first) return;
      const answer = await fetch(location.href);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      renew(main, page.getElementById("main"));
    } catch { document.querySelector("[data-status]").textContent = "The dashboard does not answer; it may have been ended."; }
  }

  function renew(main, fresh) {
    document.querySelector("[data-status]").textContent = "";
    if (main.querySelector("[data-waiting]") && fresh.querySelector("figure") && typeof Plotly === "undefined") return location.reload();
    const busy = main.contains(document.activeElement) || main.querySelector("details.text[open]") || main.querySelector("[data-drawn]");
    if (!busy) {
      main.replaceChildren(...fresh.childNodes);
      fresh.dataset.live ? main.dataset.live = fresh.dataset.live : delete main.dataset.live;
      return begin();
    }
    const parts = fresh.querySelectorAll("[data-fresh]");
    parts.forEach((part) => main.querySelector(`[data-fresh="${part.dataset.fresh}"]`)?.replaceWith(part));
    document.querySelector("[data-status]").textContent = "There are newer results: reload to see them.";
  }

  function begin() {
    document.querySelectorAll("table[data-sortable]").forEach(sortable);
    document.querySelectorAll("[data-columns]").forEach(choosable);
    document.querySelectorAll("[data-picking]").forEach(picking);
    if (typeof Plotly !== "undefined") document.querySelectorAll("[data-plot]").forEach(plot);
  }

  document.addEventListener("DOMContentLoaded", () => {
    begin();
    follow();
    document.querySelector("[data-theme-switch]").addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      store("theme", root.dataset.theme);
      redraw();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  });
})();
