"use strict";
// Asks once a second how the sockets are, and shows it. All that comes from
// there goes into the page as text.

const EVERY = 1000; // milliseconds between two questions
const SAMPLES = 60; // points of a line
const GONE = 30; // questions for which a socket that has closed is still shown
const EVENTS = 200; // lines of the log

const byId = (id) => document.getElementById(id);
const cards = new Map(); // socket id → what is shown of it
const names = new Map(); // socket id → what people call it
let lastEvent = 0;
let paused = false;
let failures = 0;

const whole = new Intl.NumberFormat(undefined, { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat(undefined, { notation: "compact", maximumFractionDigits: 1 });

function number(value) {
  return value < 100000 ? whole.format(value) : short.format(value);
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function duration(microseconds) {
  if (microseconds < 1000) return `${Math.round(microseconds)} µs`;
  if (microseconds < 1e6) return `${(microseconds / 1000).toFixed(microseconds < 1e4 ? 1 : 0)} ms`;
  return `${(microseconds / 1e6).toFixed(1)} s`;
}

function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

class Card {
  constructor(socket) {
    this.root = byId("card").content.firstElementChild.cloneNode(true);
    this.find = (selector) => this.root.querySelector(selector);
    this.before = null;
    this.rates = { in: [], out: [] };
    this.missing = 0;
    const called = socket.name ?? `socket #${socket.id}`;
    put(this.find(".name"), called);
    put(this.find(".type"), `${socket.type} #${socket.id}`);
    names.set(socket.id, called);
  }

  show(socket, at) {
    this.missing = 0;
    this.socket = socket;
    this.root.dataset.state = socket.state;
    put(this.find(".state"), socket.state);
    const endpoints = socket.endpoints.map((one) =>
      one.bound !== undefined ? `bound to ${one.bound}` : `connected to ${one.connected}`);
    put(this.find(".endpoints"), endpoints.join(", ") || "no endpoint");
    this.flow("in", "received", socket, at);
    this.flow("out", "sent", socket, at);
    this.queue(socket);
    this.facts(socket);
    this.before = { counters: socket.counters, at };
    this.words = `${socket.name ?? ""} ${socket.type} #${socket.id} ${socket.state} ${endpoints.join(" ")}`.toLowerCase();
  }

  flow(way, counter, socket, at) {
    const seconds = this.before ? (at - this.before.at) / 1000 : 0;
    const grown = (name) => {
      const now = socket.counters[name] ?? 0;
      return seconds > 0 ? Math.max(0, now - (this.before.counters[name] ?? 0)) / seconds : 0;
    };
    const rate = grown(counter);
    const line = this.rates[way];
    line.push(rate);
    if (line.length > SAMPLES) line.shift();
    const figure = this.find(`.${way}`);
    put(figure.querySelector("b"), number(rate));
    put(figure.querySelector("small"), `${bytes(grown(`${counter}_bytes`))}/s`);
    const top = Math.max(1, ...line);
    const points = line.map((value, index) => {
      const x = 120 - (line.length - 1 - index) * (120 / (SAMPLES - 1));
      return `${x.toFixed(1)},${(27 - (value / top) * 25).toFixed(1)}`;
    });
    figure.querySelector("polyline").setAttribute("points", points.join(" "));
    figure.querySelector("svg").setAttribute("aria-label",
      `messages ${way} per second: now ${number(rate)}, at most ${number(top)} in the last minute`);
  }

  queue(socket) {
    const { messages, overflow } = socket.limits;
    const bound = typeof messages === "number" && messages > 0 ? messages : 0;
    put(this.find(".queue b"),
      `${number(socket.queued)} of ${bound ? number(bound) : "no bound"}, then ${overflow.replace("_", " ")}`);
    const meter = this.find("meter");
    meter.value = bound ? Math.min(1, socket.queued / bound) : 0;
    meter.setAttribute("aria-label", `queue, ${socket.queued} of ${bound}`);
    // Who only receives has no queue.
    this.find(".queue").hidden = RECEIVERS.has(socket.type);
  }

  facts(socket) {
    const facts = [["peers", socket.peers === null ? "not counted" : number(socket.peers)]];
    facts.push(["restarts", number(socket.restarts)]);
    if (socket.in_flight > 0 || socket.latency) facts.push(["in flight", number(socket.in_flight)]);
    const latency = socket.latency;
    if (latency && latency.count > 0) {
      facts.push(["latency",
        `p50 ${duration(latency.p50_us)}, p90 ${duration(latency.p90_us)}, ` +
        `p99 ${duration(latency.p99_us)}, most ${duration(latency.max_us)}`]);
    }
    const troubles = Object.entries(socket.counters)
      .filter(([name, value]) => value > 0 && !PLAIN.has(name))
      .map(([name, value]) => `${number(value)} ${name.replaceAll("_", " ")}`);
    if (troubles.length > 0) facts.push(["trouble", troubles.join(", "), "bad"]);
    list(this.find(".facts"), facts);
    list(this.find(".counters"), Object.entries(socket.counters)
      .map(([name, value]) => [name.replaceAll("_", " "), whole.format(value)]));
  }

  gone() {
    this.missing += 1;
    this.root.dataset.state = "closed";
    put(this.find(".state"), "closed");
    for (const figure of this.root.querySelectorAll("figcaption b")) put(figure, "0");
    return this.missing > GONE;
  }
}

const RECEIVERS = new Set(["PULL", "SUB"]);
const PLAIN = new Set(["sent", "sent_bytes", "received", "received_bytes", "restarts", "cancelled", "filtered"]);

function list(element, rows) {
  const wanted = rows.flatMap(([term, text, tone]) => [["dt", term, ""], ["dd", text, tone ?? ""]]);
  while (element.children.length > wanted.length) element.lastChild.remove();
  wanted.forEach(([tag, text, tone], index) => {
    let child = element.children[index];
    if (!child) {
      child = document.createElement(tag);
      element.append(child);
    }
    put(child, text);
    child.className = tone;
  });
}

function show(live) {
  document.title = `${live.title}: sockets`;
  put(byId("title"), live.title);
  put(byId("libzmq"), `libzmq ${live.libzmq}.`);
  const seen = new Set();
  for (const socket of live.sockets) {
    seen.add(socket.id);
    if (!cards.has(socket.id)) {
      const card = new Card(socket);
      cards.set(socket.id, card);
      byId("sockets").append(card.root);
    }
    cards.get(socket.id).show(socket, live.now_ms);
  }
  for (const [id, card] of cards) {
    if (!seen.has(id) && card.gone()) {
      card.root.remove();
      cards.delete(id);
    }
  }
  for (const event of live.events) log(event);
  lastEvent = live.last_event;
  const troubled = live.sockets.filter((socket) => socket.state !== "up").length;
  summary(`${live.sockets.length} open, ${troubled} not up`, troubled > 0);
  filter();
}

function log(event) {
  const line = document.createElement("li");
  const time = document.createElement("time");
  const at = new Date(event.at_ms);
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleTimeString();
  const who = document.createElement("span");
  who.className = "who";
  who.textContent = `${names.get(event.socket) ?? `socket #${event.socket}`} (${event.type})`;
  const text = document.createElement("span");
  text.className = event.tone;
  text.textContent = event.text;
  line.append(time, who, text);
  const events = byId("events");
  events.prepend(line);
  while (events.children.length > EVENTS) events.lastChild.remove();
}

function summary(text, bad) {
  put(byId("summary"), text);
  byId("summary").classList.toggle("bad", bad);
}

function filter() {
  const words = byId("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of cards.values()) {
    const fits = words.every((word) => card.words.includes(word));
    card.root.hidden = !fits;
    shown += fits ? 1 : 0;
  }
  byId("none").hidden = shown > 0;
}

async function ask() {
  if (!paused && !document.hidden) {
    try {
      const answer = await fetch(`zmq/live?after=${lastEvent}`, {
        cache: "no-store",
        signal: AbortSignal.timeout(5 * EVERY),
      });
      const live = await answer.json();
      if (!answer.ok) throw new Error(live.detail ?? answer.statusText);
      show(live);
      failures = 0;
    } catch (error) {
      failures += 1;
      summary(`No answer: ${error.message}`, true);
    }
  }
  setTimeout(ask, EVERY * Math.min(1 + failures, 5));
}

function pause() {
  paused = !paused;
  byId("pause").setAttribute("aria-pressed", String(paused));
  put(byId("pause"), paused ? "Go on" : "Pause");
}

const THEMES = ["system", "light", "dark"];

function theme(name) {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  put(byId("theme"), `Theme: ${name}`);
  try {
    localStorage.setItem("actix-zmq-theme", name);
  } catch {
    // It is not kept where nothing may be.
  }
}

function themeNow() {
  return document.documentElement.dataset.theme ?? "system";
}

function themeKept() {
  try {
    const kept = localStorage.getItem("actix-zmq-theme");
    return THEMES.includes(kept) ? kept : "system";
  } catch {
    return "system";
  }
}

byId("filter").addEventListener("input", filter);
byId("tools").addEventListener("submit", (event) => event.preventDefault());
byId("pause").addEventListener("click", pause);
byId("theme").addEventListener("click", () =>
  theme(THEMES[(THEMES.indexOf(themeNow()) + 1) % THEMES.length]));
document.addEventListener("keydown", (event) => {
  const writes = event.target.closest("input, textarea, select");
  if (event.key === "Escape" && writes) writes.blur();
  if (writes || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") byId("filter").focus();
  else if (event.key === "p") pause();
  else if (event.key === "t") byId("theme").click();
  else return;
  event.preventDefault();
});

theme(themeKept());
ask();
