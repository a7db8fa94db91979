// The key figures with their last five minutes.

import { h, put } from "./dom.js";
import { bits, count, duration, exact, perSecond } from "./format.js";
import { colour, spark } from "./spark.js";

const last = (points) => points.at(-1)?.[1] ?? 0;
const sum = (points) => points.reduce((all, [, value]) => all + value, 0);
const lost = (metrics) => metrics.losses.filter((loss) => loss.unit !== "undecoded").reduce((all, loss) => all + loss.count, 0);

/** Mean of the points that had records: 0 means that there were none. */
function meanRisk(points) {
  const scored = points.filter(([, value]) => value > 0);
  return scored.length ? sum(scored) / scored.length : null;
}

/** How the search of stored flows for new indicators goes, or how the last one ended. */
function hunt(metrics) {
  const of = metrics.hunt;
  if (!of) return "";
  const found = `${exact(of.sightings)} sighted in stored flows` + (of.suppressed ? `, ${exact(of.suppressed)} more` : "");
  if (of.running) {
    const share = of.rows_total ? Math.floor((of.rows_scanned / of.rows_total) * 100) : 0;
    return `Hunting ${exact(of.indicators)} new indicators: ${share} %, ${found}`;
  }
  const ended = of.last_finished_at ? Date.parse(of.last_finished_at) : NaN;
  return Number.isNaN(ended) ? "" : `Last hunt ${duration((metrics.now_ms - ended) / 1000)} ago: ${found}`;
}

const TILES = [
  { name: "Flows", series: "eps", ink: "--blue",
    show: (m) => ({ value: perSecond(m.eps), note: `${count(m.totals.events)} since the start` }) },
  { name: "Traffic", series: "bps", ink: "--accent",
    show: (m) => ({ value: bits(last(m.timeseries.last_5m.bps)), note: `mean of a minute ${bits(m.rates.bits_1m)}` }) },
  { name: "Threat matches", series: "threats", ink: "--bad",
    show: (m) => {
      const recent = Math.round(sum(m.timeseries.last_5m.threats));
      return { value: count(recent), state: recent > 0 ? "bad" : "", note: `in 5 min, ${exact(m.totals.threat_matches)} since the start` };
    }, more: hunt },
  { name: "Average risk", series: "avg_risk", ink: "--warn",
    show: (m) => {
      const mean = meanRisk(m.timeseries.last_5m.avg_risk);
      const all = m.totals.risk_count ? m.totals.risk_sum / m.totals.risk_count : 0;
      return { value: mean === null ? "–" : mean.toFixed(0), state: mean >= 60 ? "bad" : mean >= 30 ? "warn" : "",
        note: `in 5 min, ${all.toFixed(1)} since the start` };
    } },
  { name: "Lost", series: "drops", ink: "--bad",
    show: (m) => {
      const recent = Math.round(sum(m.timeseries.last_5m.drops));
      const all = lost(m);
      return { value: count(recent), state: recent > 0 ? "bad" : "good",
        note: all > 0 ? `in 5 min, ${exact(all)} since the start` : "nothing since the start" };
    } },
];

export class Tiles {
  constructor(host) {
    this.tiles = TILES.map((tile) => {
      const [number, unit] = [h("span"), h("span", { class: "unit" })];
      const value = h("p", { class: "value" }, number, unit);
      const note = h("p", { class: "note muted" });
      const canvas = h("canvas", { "aria-hidden": "true" });
      const more = tile.more ? h("p", { class: "note muted more" }) : "";
      const article = h("article", { class: "tile" }, h("h2", {}, tile.name), value, canvas, note, more);
      host.append(article);
      return { ...tile, article, number, unit, note, canvas, line: more };
    });
  }

  draw(metrics) {
    for (const tile of this.tiles) {
      const { value, note, state = "" } = tile.show(metrics);
      const [, number, unit] = /^([\d.–]+)(.*)$/u.exec(value) ?? [null, value, ""];
      put(tile.number, number);
      put(tile.unit, unit);
      put(tile.note, note);
      tile.note.title = note;
      if (tile.more) {
        const more = tile.more(metrics);
        put(tile.line, more);
        tile.line.title = more;
      }
      tile.article.dataset.state = state;
      spark(tile.canvas, metrics.timeseries.last_5m[tile.series], colour(tile.ink));
    }
  }
}
