// Draws the charts, which stand in the page as pictures, so that one can point
// at a moment, and says when no news comes. Everything else works without it.
(() => {
  "use strict";
  const plots = new Map();
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  function draw(place, data) {
    const old = plots.get(place);
    const width = place.clientWidth;
    if (!data || !data.lines.length || !width) return;
    const values = [data.times, ...data.lines.map((l) => l.values)];
    const names = data.lines.map((l) => l.name).join("\n");
    if (old && old.names === names) {
      old.plot.setData(values);
      if (old.plot.width !== width) old.plot.setSize({ width, height: 170 });
      return;
    }
    if (old) old.plot.destroy();
    place.replaceChildren();
    const axis = { stroke: color("--note"), grid: { stroke: color("--edge"), width: 1 }, ticks: { show: false } };
    const plot = new uPlot({
      width, height: 170, legend: { show: false }, cursor: { y: false },
      scales: { y: { range: (u, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
      axes: [{ ...axis, values: (u, at, axis, space, step) => at.map((t) => new Date(t * 1000).toISOString().slice(11, step < 60 ? 19 : 16)), space: 60, size: 30 }, { ...axis, size: 56 }],
      series: [{}, ...data.lines.map((l, i) => ({ label: l.name, stroke: color("--s" + i), width: 2, points: { show: false } }))],
    }, values, place);
    const canvas = place.querySelector("canvas");
    if (canvas) {
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", place.closest("figure").querySelector("figcaption").textContent);
    }
    plots.set(place, { plot, names });
  }

  async function read() {
    if (!document.querySelector("[data-chart]")) return;
    try {
      const answer = await fetch("series.json");
      if (!answer.ok) return;
      const all = await answer.json();
      for (const [place, kept] of plots) {
        if (place.isConnected) continue;
        kept.plot.destroy();
        plots.delete(place);
      }
      for (const place of document.querySelectorAll("[data-chart]")) draw(place, all[place.dataset.chart]);
    } catch { /* the page says that the server does not answer */ }
  }

  function anew() {
    for (const kept of plots.values()) kept.names = null;
    read();
  }

  // A stream that ends or never begins leaves the page as it was: then it says since
  // when, and is loaded anew as soon as the program answers. A page that nobody sees
  // has no stream.
  const live = document.getElementById("live");
  const silent = document.getElementById("silent");
  let heard = Date.now();
  let asking = false;

  function news() {
    heard = Date.now();
    silent.hidden = true;
  }

  async function listen() {
    if (document.hidden) return news();
    if (asking || Date.now() - heard < live.dataset.patience * 1000) return;
    if (silent.hidden) { // once: a screen reader reads it aloud whenever it is written
      silent.querySelector("time").textContent = new Date(heard).toISOString().slice(11, 19) + " UTC";
      silent.hidden = false;
    }
    asking = true;
    try {
      const answer = await fetch("health", { cache: "no-store", signal: AbortSignal.timeout(5000) });
      if (answer.ok) location.reload();
    } catch { /* it still does not answer */ }
    asking = false;
  }

  setInterval(listen, 1000);
  document.addEventListener("htmx:sse:after:message", () => { news(); read(); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", anew);
  let soon;
  addEventListener("resize", () => { clearTimeout(soon); soon = setTimeout(read, 100); });
  read();
})();
