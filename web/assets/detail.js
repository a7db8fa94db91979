// One record in full: reasons for its risk, threat matches, both ends, and the rest.

import { foreign, h, shown } from "./dom.js";
import { bytes, duration, exact, time, utc, words } from "./format.js";

const FLAGS = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
const flags = (bits) => FLAGS.filter((_, bit) => bits & (1 << bit)).join(" ");

/** Pairs of name and value; those without a value are left out. */
export const list = (pairs) => h("dl", { class: "pairs" }, pairs.filter(([, value]) => value !== undefined && value !== "")
  .flatMap(([name, value]) => [h("dt", {}, name), h("dd", {}, value instanceof Node ? value : foreign(value))]));

/** A part with its title. */
export const group = (title, ...content) => h("section", {}, h("h3", {}, title), ...content);

function place(geo, asn) {
  const where = [geo?.city, geo?.country_name ?? geo?.country].filter(Boolean).join(", ");
  return [where, asn ? `AS${asn.asn} ${asn.org ?? ""}`.trim() : ""].filter(Boolean).join(" · ");
}

function risk(event) {
  if (!event.risk_reasons?.length) return h("p", { class: "muted" }, "Not scored.");
  return h("ul", { class: "reasons" }, event.risk_reasons.map(({ reason, points }) =>
    h("li", {}, h("span", { class: "points-of" }, `+${points}`), ` ${shown(words(reason))}`)));
}

function threats(event) {
  return h("ul", { class: "reasons" }, event.ti.matches.map((match) => h("li", {}, foreign(match.indicator),
    h("span", { class: "muted" }, ` ${shown(match.category)}, confidence ${match.confidence}, list ${shown(match.source)}, matched ${words(match.field)}`))));
}

function copy(event) {
  const button = h("button", { class: "quiet", type: "button", click: async (click) => {
    click.stopPropagation();
    try {
      await navigator.clipboard.writeText(JSON.stringify(event, null, 2));
      button.textContent = "Copied";
    } catch {
      button.textContent = "The browser did not allow it";
    }
  } }, "Copy as JSON");
  return button;
}

/** Everything known of `event`. */
export function detail(event) {
  const end = (ms) => h("time", { title: utc(ms) }, time(ms));
  const both = (out, back, unit) => `${unit(out)} out, ${unit(back)} back`;
  return h("div", { class: "detail", click: (click) => click.stopPropagation() },
    group(`Risk ${event.risk_score ?? "–"}`, risk(event),
      event.ti?.matched ? [h("h3", {}, "Threat matches"), threats(event)] : ""),
    group("Ends", list([
      ["From", event.src_ip], ["", place(event.src_geo, event.src_asn)],
      ["To", event.dst_ip], ["", place(event.dst_geo, event.dst_asn)],
      ["Name", event.domain], ["Direction", event.direction && words(event.direction)]])),
    group("Traffic", list([
      ["Bytes", both(event.bytes_out, event.bytes_in, bytes)], ["Packets", both(event.packets_out, event.packets_in, exact)],
      ["Flags out", event.tcp_flags_out === undefined ? "" : flags(event.tcp_flags_out)],
      ["Flags in", event.tcp_flags_in === undefined ? "" : flags(event.tcp_flags_in)],
      ["ICMP", event.icmp_type === undefined ? "" : `type ${event.icmp_type}, code ${event.icmp_code}`],
      ["VLAN", event.vlan === undefined ? "" : String(event.vlan)], ["DSCP", event.dscp ? String(event.dscp) : ""],
      ["Sampling", event.sampling > 1 ? `1 of ${event.sampling}` : ""]])),
    group("Record", list([
      ["Began", end(event.ts_ms)], ["Ended", end(event.end_ms)], ["Lasted", duration(event.duration)],
      ["Ended by", event.end_reason && words(event.end_reason)],
      ["Seen at", [event.source, event.observer ?? event.exporter].filter(Boolean).join(", ")],
      ["Community ID", event.community_id], ["Event ID", event.id]]), copy(event)));
}
