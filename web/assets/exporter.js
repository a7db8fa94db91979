// One exporter in words.

import { h, shown } from "./dom.js";
import { group, list } from "./detail.js";
import { bytes, duration, exact, many, span, time, utc, words } from "./format.js";

export const HEALTH = { healthy: ["good", "healthy"], degraded: ["warn", "degraded"], stale: ["bad", "silent"] };
const VERSIONS = { netflow5: "NetFlow v5", netflow7: "NetFlow v7", netflow9: "NetFlow v9", ipfix: "IPFIX", sflow5: "sFlow v5" };

/** Records of a clock that is this far off are in the wrong place of every chart and every retention. */
const CLOCK_OFF_MS = 600000;
const JUST_NOW_SECONDS = 3;

/** What to do about the reasons that an administrator can do something about. */
const HINTS = {
  no_template: "its template had not come in time; have it sent more often, once a minute, say",
  unknown_version: "choose NetFlow v5, v7, v9, IPFIX or sFlow v5 on the exporter",
  template_limit: "it describes more kinds of records than are kept for one exporter",
  not_allowed: "add the exporter to collect.allow",
  exporter_limit: "raise collect.max_exporters",
};

/** What it speaks. */
export const speaks = ({ versions }) => versions.map((name) => VERSIONS[name] ?? shown(name)).join(", ");

export function ago(seconds) {
  if (!Number.isFinite(seconds)) return "not since start";
  return seconds < JUST_NOW_SECONDS ? "just now" : `${span(seconds)} ago`;
}

/** Milliseconds as an amount ahead or behind. */
export function offset(ms) {
  if (!Number.isFinite(ms)) return "–";
  return `${ms < 0 ? "−" : "+"}${span(Math.abs(ms) / 1000)}`;
}

export function clock(ms) {
  if (!Number.isFinite(ms)) return { title: "It does not tell its time, or ours is not set", state: "" };
  const isOff = Math.abs(ms) > CLOCK_OFF_MS;
  const title = `Its clock is ${duration(Math.abs(ms) / 1000)} ${ms < 0 ? "behind" : "ahead of"} ours${isOff ? ": set it by NTP" : ""}`;
  return { title, state: isOff ? "bad" : "" };
}

/** Reasons with their counts, the most frequent first. */
export const undecodable = ({ undecodable: { by_reason: reasons } }) => Object.entries(reasons)
  .sort(([, a], [, b]) => b - a).map(([reason, number]) => `${exact(number)} ${shown(words(reason))}`);

function faults(source) {
  const reasons = Object.entries(source.undecodable.by_reason).sort(([, a], [, b]) => b - a);
  if (!reasons.length) return h("p", { class: "muted" }, "All was decoded.");
  return h("ul", { class: "reasons" }, reasons.map(([reason, number]) => h("li", {}, `${exact(number)} ${shown(words(reason))}`,
    HINTS[reason] ? h("span", { class: "muted" }, `: ${HINTS[reason]}`) : "")));
}

/** Everything known of an exporter. */
export function facts(source) {
  const { sequence } = source;
  const at = (ms) => (Number.isFinite(ms) ? h("time", { title: utc(ms) }, time(ms)) : "");
  const percent = source.error_pct_1m;
  return h("div", { class: "detail", click: (click) => click.stopPropagation() },
    group("Received", list([
      ["Datagrams", exact(source.datagrams)], ["Volume", bytes(source.octets)], ["Flow records", exact(source.records)],
      ["Options", many(source.options_records, "record")], ["Templates", exact(source.templates)],
      ["First heard", at(Date.parse(source.first_seen))], ["Last heard", at(source.last_seen_ts)]])),
    group("Missing by sequence numbers", list([
      ["Missing", `${exact(sequence.lost)} ${sequence.unit}`], ["Gaps", exact(sequence.gaps)],
      ["Came late", exact(sequence.reordered)], ["Restarts", exact(sequence.restarts)]]),
      sequence.lost ? h("p", { class: "muted" }, "Lost in the exporter or on the way here.") : ""),
    group("Undecodable", faults(source), list([
      ["Last minute", Number.isFinite(percent) ? `${percent.toFixed(percent < 10 ? 1 : 0)} % of datagrams` : ""],
      ["Parked", source.parked_bytes ? `${bytes(source.parked_bytes)} until templates come` : ""]])),
    group("Exporter", list([
      ["Address", source.address], ["Port", source.port === null ? "" : String(source.port)],
      ["Speaks", speaks(source)], ["Domains", exact(source.domains)],
      ["Sampling", source.sampling > 1 ? `1 of ${exact(source.sampling)}` : "none told"],
      ["Clock", clock(source.clock_offset_ms).title], ["ID", source.id]])));
}
