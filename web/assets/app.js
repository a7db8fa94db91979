// Puts the parts together: sign in, poll, draw.

import { $, put } from "./dom.js";
import { get, key } from "./api.js";
import { Chart } from "./chart.js";
import { advice } from "./empty.js";
import { Exporters } from "./exporters.js";
import { Flows } from "./flows.js";
import { bits, perSecond } from "./format.js";
import * as header from "./header.js";
import * as panels from "./panels.js";
import { Poll, atMostFourTimesASecond } from "./poll.js";
import { ask } from "./signin.js";
import { Tiles } from "./tiles.js";

const PERIOD_MS = 2000;
const SOURCES_PERIOD_MS = 5000;
const ROWS = 100;
const SOURCES = 512;
const FAILURES_TOLD = 3;

const SERIES = [
  { name: "Traffic", key: "bps", format: bits, colour: "--accent" },
  { name: "Flows", key: "eps", format: perSecond, colour: "--blue" },
];

const state = { metrics: null, events: null, sources: null, updated: null, series: SERIES[0], paused: false };
const parts = { tiles: new Tiles($("tiles")), chart: new Chart($("chart")), flows: new Flows($("flows-table")),
  exporters: new Exporters($("exporters-table"), $("exporters-more")) };

const draw = atMostFourTimesASecond(() => {
  const { metrics, events } = state;
  if (metrics) {
    const recent = metrics.timeseries.last_5m;
    parts.tiles.draw(metrics);
    parts.chart.show({ ...state.series, points: recent[state.series.key] }, recent.drops);
    panels.losses($("losses"), $("verdict"), metrics.losses);
    panels.agent($("agent"), metrics);
    header.points(metrics.capture.interfaces);
    header.site(metrics.agent);
    header.parts(metrics.parts);
    header.letters(metrics.dead_letters);
  }
  if (state.sources) parts.exporters.show(state.sources);
  if (events && !state.paused) parts.flows.show(events);
  drawEmpty();
  if (metrics) header.trouble(metrics.capture.interfaces, parts.flows.size === 0);
  header.freshness(state.updated);
});

function drawEmpty() {
  const empty = state.events !== null && parts.flows.size === 0;
  $("flows-empty").hidden = !empty;
  $("flows-table").hidden = !parts.flows.size;
  if (!empty || !state.metrics) return;
  const content = advice(state.metrics);
  const text = content.map((part) => part.textContent ?? part).join("\n");
  if ($("flows-empty").dataset.print === text) return;
  $("flows-empty").dataset.print = text;
  $("flows-empty").replaceChildren(...content);
}

const metricsPoll = new Poll(PERIOD_MS, (signal) => get("/v1/metrics", { signal }), (metrics) => {
  Object.assign(state, { metrics, updated: performance.now() });
  $("trouble").hidden = true;
  draw();
}, (error, inARow) => {
  if (error.status === 401) return signOut("The key is no longer accepted. Sign in again.");
  if (inARow >= FAILURES_TOLD) {
    put($("trouble-text"), `${inARow} updates have failed. ${error.message}`);
    $("trouble").hidden = false;
  }
});

const eventsPoll = new Poll(PERIOD_MS, (signal) => get(`/v1/events/recent?limit=${ROWS}`, { signal }), ({ events }) => {
  state.events = events;
  $("flows-error").hidden = true;
  draw();
}, (error, inARow) => {
  if (error.status === 401) return signOut("The key is no longer accepted. Sign in again.");
  // An agent that cannot be reached is told of once, by the figures.
  if (error.status !== 0 && (inARow >= FAILURES_TOLD || error.status === 403)) {
    put($("flows-error"), `The newest flows cannot be read: ${error.message}`);
    $("flows-error").hidden = false;
  }
});

const sourcesPoll = new Poll(SOURCES_PERIOD_MS, (signal) => get(`/v1/sources?limit=${SOURCES}`, { signal }), (sources) => {
  state.sources = sources;
  $("exporters-error").hidden = true;
  draw();
}, (error, inARow) => {
  if (error.status === 401) return signOut("The key is no longer accepted. Sign in again.");
  if (error.status !== 0 && inARow >= FAILURES_TOLD) {
    put($("exporters-error"), `The exporters cannot be read: ${error.message}`);
    $("exporters-error").hidden = false;
    $("exporters").hidden = false;
  }
});

let ticking;

function tick() {
  clearInterval(ticking);
  if (!document.hidden && key.load()) ticking = setInterval(() => header.freshness(state.updated), 1000);
  $("freshness").hidden = !key.load();
  header.freshness(state.updated);
}

function enter() {
  $("main").hidden = false;
  $("signout").hidden = false;
  metricsPoll.start();
  eventsPoll.start();
  sourcesPoll.start();
  tick();
}

function signOut(reason) {
  key.forget();
  metricsPoll.stop();
  eventsPoll.stop();
  sourcesPoll.stop();
  Object.assign(state, { metrics: null, events: null, sources: null, updated: null });
  for (const id of ["main", "signout", "trouble", "parts-trouble", "points-trouble", "letters"]) $(id).hidden = true;
  header.points([]);
  header.parts([]);
  header.letters(null);
  header.site(null);
  tick();
  ask(reason, enter);
}

function choose(series) {
  state.series = series;
  for (const button of $("series").children) button.setAttribute("aria-pressed", String(button.textContent === series.name));
  draw();
}

for (const series of SERIES) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = series.name;
  button.addEventListener("click", () => choose(series));
  $("series").append(button);
}
choose(state.series);

$("retry").addEventListener("click", () => {
  metricsPoll.now();
  eventsPoll.now();
  sourcesPoll.now();
});
$("signout").addEventListener("click", () => signOut(""));
$("pause").addEventListener("click", () => {
  state.paused = !state.paused;
  $("pause").setAttribute("aria-pressed", String(state.paused));
  put($("pause"), state.paused ? "Resume" : "Pause");
  draw();
});
document.addEventListener("visibilitychange", tick);
get("/v1/version", { bearer: null }).then(header.version, () => undefined);
if (key.load()) enter();
else ask("", enter);
