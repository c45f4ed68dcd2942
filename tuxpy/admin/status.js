"use strict";
(() => {
  const EVERY_MS = 1000, KEPT = 300, LEAST = 60, WIDTH = 320, HEIGHT = 110, LEFT = 52, TOP = 8, BOTTOM = 18;
  const find = (id) => document.getElementById(id);
  const history = []; // what happened in each second, the latest last
  let last = JSON.parse(find("data").textContent), cursor = null, paused = false, silent = false;

  // Numbers in words.
  const scaled = (value, base, units) => {
    let unit = 0;
    while (Math.abs(value) >= base && unit < units.length - 1) { value /= base; unit += 1; }
    return `${value.toFixed(value >= 100 || (unit === 0 && Number.isInteger(value)) ? 0 : 1)}${units[unit]}`;
  };
  const count = (value) => scaled(value, 1000, ["", " k", " M", " G"]);
  const bytes = (value) => scaled(value, 1024, [" B", " KiB", " MiB", " GiB"]);
  const share = (value) => `${(value * 100).toFixed(value > 0 && value < 0.1 ? 1 : 0)} %`;
  const duration = (value) => value === 0 ? "0" : value < 0.001 ? `${Math.round(value * 1e6)} µs`
    : value < 1 ? `${(value * 1e3).toFixed(value < 0.01 ? 1 : 0)} ms` : `${value.toFixed(1)} s`;

  const PLOTS = [
    { name: "Requests a second", lines: [["all", "requests"], ["4xx and 5xx", "errors"]], write: count, least: 1 },
    { name: "Time to answer", lines: [["half within", "median"], ["99 % within", "p99"]], write: duration, least: 1e-4 },
    { name: "Answered from the cache", lines: [["", "hits"]], write: share, most: 1 },
    { name: "Sent a second", lines: [["", "sent"]], write: bytes, least: 1024, base: 2 },
    { name: "Connections", lines: [["open", "open"], ["sending", "sending"]], write: count, least: 1 },
    { name: "The judge", lines: [["busy", "busy"]], write: share, most: 1 },
  ];

  // What happened between two reports.
  const quantile = (bounds, counts, part) => {
    let rest = part * counts.reduce((sum, one) => sum + one, 0);
    if (!rest) return null;
    for (let i = 0; i < counts.length; i += 1) {
      if (counts[i] && rest <= counts[i]) {
        const low = i ? bounds[i - 1] : 0, high = bounds[Math.min(i, bounds.length - 1)];
        return low + (high - low) * rest / counts[i];
      }
      rest -= counts[i];
    }
    return bounds[bounds.length - 1];
  };
  const between = (a, b) => {
    const seconds = Math.max(b.now_s - a.now_s, 1e-3);
    const grown = (name) => Math.max(0, b.totals[name] - a.totals[name]);
    const ended = (name) => Math.max(0, b.statuses[name] - a.statuses[name]);
    const took = b.response.counts.map((one, i) => Math.max(0, one - a.response.counts[i]));
    const parked = (state) => b.parked.find((one) => one.state === state).count;
    const decided = grown("hits") + grown("judged");
    return {
      requests: Object.keys(b.statuses).reduce((sum, name) => sum + ended(name), 0) / seconds,
      errors: (ended("4xx") + ended("5xx")) / seconds,
      sent: grown("sent_bytes") / seconds,
      hits: decided ? grown("hits") / decided : null,
      busy: Math.min(1, Math.max(0, b.judge.seconds - a.judge.seconds) / seconds),
      median: quantile(b.bounds_s, took, 0.5),
      p99: quantile(b.bounds_s, took, 0.99),
      open: b.totals.connections,
      sending: parked("sent") + parked("writable") + parked("cold"),
      at: b.now_s,
    };
  };

  // Drawing.
  const svg = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };
  const nice = (value, base) => { // the next round number
    if (base === 2) return 2 ** Math.ceil(Math.log2(value));
    const power = 10 ** Math.floor(Math.log10(value));
    return power * [1, 2, 5, 10].find((step) => step * power >= value * 0.999);
  };
  const shown = () => Math.max(LEAST, history.length); // seconds from the left edge to the right
  const x = (place) => LEFT + (WIDTH - LEFT - 4) * (shown() - history.length + place) / (shown() - 1);
  const line = (name, most) => {
    let path = "", pen = "M";
    history.forEach((one, i) => {
      if (one[name] === null) { pen = "M"; return; }
      const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - Math.min(1, one[name] / most));
      const here = `${x(i).toFixed(1)} ${y.toFixed(1)}`;
      path += pen === "M" ? `M${here}h.01` : `L${here}`;
      pen = "L";
    });
    return path;
  };
  const words = (plot, one) => plot.lines.map(([label, name], i) => {
    const made = document.createElement("span");
    if (plot.lines.length > 1) made.className = i ? "second" : "first"; // underlined as the line is drawn
    made.textContent = `${label} ${one[name] === null ? "–" : plot.write(one[name])}`.trim();
    return i ? [", ", made] : [made];
  }).flat();
  const draw = (plot) => {
    const seen = plot.lines.flatMap(([, name]) => history.map((one) => one[name] ?? 0));
    const most = plot.most ?? nice(Math.max(plot.least, ...seen), plot.base);
    const one = history[cursor ?? history.length - 1];
    const bottom = HEIGHT - BOTTOM;
    plot.drawing.replaceChildren(
      ...[0, 0.5, 1].map((part) => svg("path", { class: "grid", d: `M${LEFT} ${TOP + (bottom - TOP) * part}H${WIDTH - 4}` })),
      svg("text", { x: LEFT - 5, y: TOP + 4, "text-anchor": "end" }, plot.write(most)),
      svg("text", { x: LEFT - 5, y: bottom + 4, "text-anchor": "end" }, "0"),
      svg("text", { x: LEFT, y: HEIGHT - 3 }, `${shown()} s ago`),
      svg("text", { x: WIDTH - 4, y: HEIGHT - 3, "text-anchor": "end" }, "now"),
      ...plot.lines.map(([, name], i) => svg("path", { class: i ? "second" : "first", d: line(name, most) })),
    );
    if (cursor !== null) {
      plot.drawing.append(svg("path", { class: "cursor", d: `M${x(cursor)} ${TOP}V${bottom}` }));
    }
    if (!one) return;
    const age = Math.round(history[history.length - 1].at - one.at);
    plot.said.replaceChildren(...words(plot, one), age ? `, ${age} s ago` : "");
    plot.figure.setAttribute("aria-label", `${plot.name}: ${plot.said.textContent}`);
  };
  const redraw = () => PLOTS.forEach(draw);
  const move = (to) => {
    const end = history.length - 1;
    cursor = to === null || to >= end || end < 0 ? null : Math.max(0, to);
    redraw();
  };

  for (const plot of PLOTS) {
    plot.figure = document.createElement("figure");
    plot.figure.tabIndex = 0;
    plot.figure.setAttribute("role", "img");
    plot.figure.setAttribute("aria-describedby", "help");
    const caption = document.createElement("figcaption"), name = document.createElement("span");
    plot.said = document.createElement("output");
    plot.said.setAttribute("aria-live", "off");
    name.textContent = plot.name;
    plot.said.textContent = "–";
    caption.append(name, plot.said);
    plot.drawing = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "aria-hidden": "true" });
    plot.figure.append(caption, plot.drawing);
    plot.figure.setAttribute("aria-label", plot.name);
    find("plots").append(plot.figure);
    plot.figure.addEventListener("keydown", (event) => {
      const now = cursor ?? history.length - 1;
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageUp: now - 30, PageDown: now + 30, Home: 0, End: null,
        Escape: null }[event.key];
      if (to === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
      event.preventDefault();
      move(to);
    });
    plot.drawing.addEventListener("pointermove", (event) => {
      const box = plot.drawing.getBoundingClientRect();
      const part = ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT - 4);
      move(Math.round(history.length - shown() + part * (shown() - 1)));
    });
    plot.drawing.addEventListener("pointerleave", () => move(null));
  }

  // Asking.
  const take = (report) => {
    if (report.started_s !== last.started_s) history.length = 0;
    else if (report.now_s > last.now_s) history.push(between(last, report));
    if (history.length > KEPT) {
      history.shift();
      if (cursor !== null) cursor = Math.max(0, cursor - 1);
    }
    last = report;
    redraw();
    if (history.length) document.title = `${count(history[history.length - 1].requests)}/s · tuxpy status`;
  };
  const chosen = () => { // what a person has marked to copy shall stay
    const selection = document.getSelection();
    return selection !== null && !selection.isCollapsed;
  };
  const look = async () => {
    const response = await fetch(location.pathname, { cache: "no-store", signal: AbortSignal.timeout(5000) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    take(JSON.parse(page.getElementById("data").textContent));
    for (const fresh of page.querySelectorAll("[data-live]")) {
      const here = find(fresh.id);
      const inside = here.contains(document.activeElement) || chosen();
      if (!inside && here.innerHTML !== fresh.innerHTML) here.replaceChildren(...fresh.childNodes);
    }
  };
  const go = async () => {
    if (!paused && !document.hidden) {
      try {
        await look();
        silent = false;
      } catch {
        if (!silent) find("contact").textContent = `no answer since ${new Date().toLocaleTimeString()}`;
        silent = true;
      }
      if (!silent) find("contact").textContent = "";
    }
    setTimeout(go, EVERY_MS);
  };
  find("pause").addEventListener("click", (event) => {
    paused = !paused;
    event.currentTarget.setAttribute("aria-pressed", String(paused));
  });
  find("pause").hidden = find("plots").hidden = false;
  redraw();
  setTimeout(go, EVERY_MS);
})();
