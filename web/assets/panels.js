// What was lost and where, and how the agent itself is doing.

import { foreign, h, put } from "./dom.js";
import { bytes, count, duration, exact, utc, words } from "./format.js";

/** Every loss with its place and reason; the places without one are named too. */
export function losses(host, pill, all) {
  const real = all.filter((loss) => loss.count > 0).sort((a, b) => b.count - a.count);
  const lost = real.filter((loss) => loss.unit !== "undecoded");
  put(pill, lost.length ? `${exact(lost.reduce((sum, loss) => sum + loss.count, 0))} lost` : "Nothing lost");
  pill.dataset.state = lost.length ? "bad" : "good";
  const print = JSON.stringify(real);
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  const rows = real.map((loss) => h("li", { "data-unit": loss.unit },
    h("span", { class: "number", title: exact(loss.count) }, loss.count < 100000 ? exact(loss.count) : count(loss.count)),
    h("span", {}, `${words(loss.unit)}: ${words(loss.reason)}`, h("span", { class: "muted" }, " at ", foreign(loss.where)))));
  const quiet = all.filter((loss) => loss.count === 0);
  host.replaceChildren(
    rows.length ? h("ul", { class: "losses" }, rows)
      : h("p", { class: "muted" }, "Every packet, record and row has arrived where it belongs."),
    quiet.length ? h("details", {}, h("summary", {}, `${quiet.length} watched places lost nothing`),
      h("ul", { class: "losses quiet" }, quiet.map((loss) => h("li", {}, words(loss.reason), h("span", { class: "muted" }, " at ", foreign(loss.where)))))) : "");
}

function meter(part, whole) {
  const share = whole > 0 ? Math.min(100, (part / whole) * 100) : 0;
  return h("progress", { max: "100", value: share.toFixed(1), title: `${share.toFixed(1)} %` });
}

/** What the agent writes to the device: flash bears so much in its life, and no more. */
function written(store) {
  const mean = store.bytes_written_per_day;
  const row = store.bytes_written_per_row;
  const figures = [`${bytes(store.bytes_written_today ?? 0)} written today`];
  if (mean != null) figures.push(`${bytes(mean)} a day`);
  if (row != null) figures.push(`${Math.round(row)} bytes a row`);
  return h("span", { title: "by the whole agent; a day is the mean of the last seven, a row that of the last hour" }, figures.join(", "));
}

/** Ring, table, lag and resources. */
export function agent(host, metrics) {
  const { agent: about, store, table, queue, process, memory } = metrics;
  const oldest = store.oldest_ts ? Date.parse(store.oldest_ts) : NaN;
  const kept = Number.isNaN(oldest) ? "empty" : `${duration((metrics.now_ms - oldest) / 1000)} back`;
  const pairs = [
    ["Ring", [`${count(store.rows)} rows, `, h("span", { title: utc(oldest) }, kept)]],
    ["Disk", [`${bytes(store.bytes)} of ${bytes(store.budget_bytes)}`, meter(store.bytes, store.budget_bytes)]],
    ["Flash", [written(store)]],
    ["Flow table", [`${exact(table.flows)} of ${exact(table.limit)}`, meter(table.flows, table.limit)]],
    ["Lag to disk", [`${Math.round(queue.lag_ms_p50)} ms, p99 ${Math.round(queue.lag_ms_p99)} ms`]],
    ["Memory", [`${bytes(memory.anon_bytes)} own, ${bytes(memory.ring_bytes)} ring, ${bytes(memory.mapped_bytes)} mapped`]],
    ["Processor", [`${process.cpu_pct.toFixed(1)} % of a core`]],
    ["Clock", [words(metrics.clock?.state ?? "unknown"), metrics.clock?.retention_by_age === false ? ", rows do not go by age" : ""]],
    ["Running", [duration(metrics.uptime_seconds)]],
    ["Device", [foreign(about.device_id ?? "none kept")]],
  ];
  if (store.status !== "ok" && store.detail) pairs.unshift(["Storage", [h("strong", { class: "error" }, store.detail)]]);
  host.replaceChildren(...pairs.flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));
}
