"use strict";

const byId = (id) => document.getElementById(id);
const put = (id, text) => {
  if (byId(id).textContent !== text) byId(id).textContent = text;
};
const number = new Intl.NumberFormat();
let ended = false;

// Ask a worker.

async function ask(path, method, body) {
  const answer = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  const told = text === "" ? null : JSON.parse(text);
  if (!answer.ok) throw new Error(told?.detail ?? told?.title ?? answer.statusText);
  return told;
}

function division() {
  return { dividend: Number(byId("dividend").value), divisor: Number(byId("divisor").value) };
}

function quotient(text, bad) {
  put("quotient", text);
  byId("quotient").classList.toggle("bad", bad);
}

byId("divide").addEventListener("submit", async (event) => {
  event.preventDefault();
  const began = performance.now();
  try {
    const { quotient: result, took_ms } = await ask("demo/divide", "POST", division());
    const all = performance.now() - began;
    quotient(`${result}: ${took_ms.toFixed(2)} ms from the handler to the worker and back, ${all.toFixed(1)} ms in all`, false);
  } catch (error) {
    quotient(error.message, true);
  }
});

byId("hundred").addEventListener("click", async () => {
  const asked = Array.from({ length: 100 }, () => ask("demo/divide", "POST", division()));
  const told = await Promise.allSettled(asked);
  const times = told.filter((one) => one.status === "fulfilled").map((one) => one.value.took_ms).sort((a, b) => a - b);
  if (times.length === 0) return quotient(told[0].reason.message, true);
  const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))].toFixed(2);
  quotient(`${times.length} of 100 answered: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`, times.length < 100);
});

async function who() {
  if (ended) return;
  try {
    const names = await ask("demo/who", "GET");
    put("who", Object.entries(names).map(([name, times]) => `${name} (${times})`).join(", "));
  } catch (error) {
    put("who", error.message);
  }
  setTimeout(who, 3000);
}

// Prices.

const POINTS = 300;
const prices = { EUR: [], GBP: [], CHF: [] };
let stream = null;
let missed = 0;

function listen() {
  stream?.close();
  const topics = [...document.querySelectorAll("#topics input:checked")].map((box) => box.value);
  for (const line of Object.keys(prices)) {
    if (!topics.includes(`price.${line}`)) prices[line].length = 0;
  }
  if (topics.length === 0) {
    stream = null;
    put("stream", "No topic is chosen.");
    return draw();
  }
  stream = new EventSource(`prices?${topics.map((topic) => `topic=${topic}`).join("&")}`);
  stream.onmessage = (event) => {
    const { topic, body } = JSON.parse(event.data);
    const name = topic.slice("price.".length);
    prices[name].push(Number(body));
    if (prices[name].length > POINTS) prices[name].shift();
    put(`price-${name}`, body);
    put("stream", `Event ${event.lastEventId.split("-")[1]}, ${missed} missed`);
  };
  stream.addEventListener("missed", (event) => {
    missed += JSON.parse(event.data).missed ?? 0;
  });
  stream.onerror = () => {
    if (!ended) put("stream", "The stream has ended; the browser comes back, and goes on where it was.");
  };
}

function draw() {
  const all = Object.values(prices).flat();
  const low = Math.min(...all);
  const high = Math.max(...all, low + 1);
  for (const [name, line] of Object.entries(prices)) {
    const points = line.map((price, index) => {
      const x = 300 - (line.length - 1 - index) * (300 / (POINTS - 1));
      return `${x.toFixed(1)},${(115 - ((price - low) / (high - low)) * 110).toFixed(1)}`;
    });
    byId(`line-${name}`).setAttribute("points", points.join(" "));
  }
}

byId("topics").addEventListener("change", listen);
setInterval(draw, 250);

// Jobs.

let wanted = 0;
let doneBefore = 0;
let doneNow = 0;
let doneAt = 0;

byId("push").addEventListener("click", () => {
  const jobs = 1000;
  let accepted = 0;
  byId("push").disabled = true;
  byId("accepted").value = 0;
  byId("done").value = 0;
  doneAt = performance.now();
  doneBefore = doneNow;
  wanted = jobs;
  const socket = new WebSocket(new URL("jobs", location.href.replace(/^http/, "ws")));
  const began = performance.now();
  socket.onopen = () => {
    for (let job = 1; job <= jobs; job += 1) socket.send(JSON.stringify({ number: job }));
  };
  socket.onmessage = (event) => {
    const told = JSON.parse(event.data);
    if (told.problem) {
      put("jobs", `Job ${told.message}: ${told.problem.detail ?? told.problem.title}`);
      return;
    }
    accepted += 1;
    byId("accepted").value = accepted;
    if (accepted === jobs) {
      socket.close(1000);
      put("jobs", `All accepted after ${Math.round(performance.now() - began)} ms.`);
    }
  };
  socket.onclose = () => {
    byId("push").disabled = false;
    if (accepted < jobs) put("jobs", `Only ${accepted} were accepted.`);
  };
});

// The slow subscriber.

byId("pace").addEventListener("input", async () => {
  const ms = Number(byId("pace").value);
  put("pace-ms", String(ms));
  try {
    await ask("demo/slow", "POST", { ms });
  } catch (error) {
    put("ticks", error.message);
  }
});

// Kill a socket.

const killedAt = new Map();

function socketButton(name) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = name;
  button.dataset.socket = name;
  button.addEventListener("click", async () => {
    killedAt.set(name, { at: performance.now(), seen: false });
    try {
      await ask(`demo/kill/${encodeURIComponent(name)}`, "POST");
      put("killed", `${name} is killed.`);
    } catch (error) {
      killedAt.delete(name);
      put("killed", `${name}: ${error.message}`);
    }
  });
  return button;
}

function socketStates(sockets) {
  const states = new Map(sockets.map((socket) => [socket.name, socket.state]));
  for (const button of byId("sockets").children) {
    const name = button.dataset.socket;
    const state = states.get(name) ?? "closed";
    button.dataset.state = state;
    const killed = killedAt.get(name);
    if (!killed) continue;
    if (state !== "up") killed.seen = true;
    else if (killed.seen) {
      killedAt.delete(name);
      put("killed", `${name} is up again, ${((performance.now() - killed.at) / 1000).toFixed(1)} s later.`);
    }
  }
}

// What the server tells, four times a second.

let before = null;

async function look() {
  if (ended) return;
  try {
    const [state, live] = await Promise.all([ask("demo/state", "GET"), ask("zmq/status", "GET")]);
    const now = performance.now();
    if (doneNow !== state.jobs_done || byId("accepted").value < wanted) doneAt = now;
    doneNow = state.jobs_done;
    if (wanted > 0) {
      const done = Math.min(wanted, doneNow - doneBefore);
      byId("done").value = done;
      if (done === wanted) {
        put("jobs", `All ${number.format(wanted)} done.`);
        wanted = 0;
      } else if (now - doneAt > 3000) {
        put("jobs", `${number.format(done)} done. The others were lost with the worker that was killed: a PULL has no receipts.`);
        wanted = 0;
      }
    }
    const behind = Math.max(0, state.ticks_sent - state.ticks_read);
    byId("behind").value = behind;
    const publisher = live.sockets.find((socket) => socket.name === "ticks: publisher");
    const queued = publisher?.queued ?? 0;
    put("behind-number", `${number.format(behind)}, and ${number.format(queued)} of 200 in the queue`);
    if (before) {
      const seconds = (now - before.now) / 1000;
      const rate = (name) => Math.round((state[name] - before.state[name]) / seconds);
      put("ticks", `${rate("ticks_sent")} published and ${rate("ticks_read")} read a second.`);
    }
    if (!before || now - before.now > 1000) before = { now, state };
    if (byId("sockets").children.length === 0) byId("sockets").append(...state.sockets.map(socketButton));
    socketStates(live.sockets);
  } catch (error) {
    put("ticks", error.message);
    if (ending) return gone();
  }
  setTimeout(look, 250);
}

// The end.

let ending = false;

function gone() {
  ended = true;
  stream?.close();
  put("stream", "The stream has ended.");
  put("ticks", "–");
  byId("gone").hidden = false;
  report(30);
  for (const control of document.querySelectorAll("main button, main input")) control.disabled = true;
  document.querySelector("iframe").remove();
}

// The program says it when the sockets have closed, in place of all else.
async function report(times) {
  try {
    const answer = await fetch("demo/report");
    if (answer.ok) {
      put("report", await answer.text());
      byId("report").hidden = false;
      return;
    }
  } catch {
    // Not yet.
  }
  if (times > 0) setTimeout(report, 200, times - 1);
}

byId("end").addEventListener("click", async () => {
  if (!confirm("End the server?")) return;
  try {
    ending = true;
    await ask("demo/end", "POST");
  } catch (error) {
    ending = false;
    put("killed", error.message);
  }
});

listen();
who();
look();
