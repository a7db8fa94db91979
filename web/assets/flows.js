// The newest flows: a table that grows at the top and keeps what the reader has opened.

import { $, foreign, h, put, shown } from "./dom.js";
import { detail } from "./detail.js";
import { bytes, count, day, duration, exact, timeOfDay, utc } from "./format.js";

const COLUMNS = ["Ended", "Source", "Destination", "Service", "Bytes", "Packets", "Risk"];
const DIRECTIONS = { in: ["↓", "inbound"], out: ["↑", "outbound"], internal: ["↔", "internal"], transit: ["⇄", "transit"] };
const LEVELS = [[80, "critical"], [60, "high"], [30, "medium"], [0, "low"]];

export const level = (score) => LEVELS.find(([from]) => score >= from)?.[1] ?? "low";

export class Flows {
  #rows = new Map();

  constructor(host) {
    this.body = h("tbody", { role: "rowgroup" });
    const head = h("tr", { role: "row" }, COLUMNS.map((name) =>
      h("th", { scope: "col", role: "columnheader", class: name === "Bytes" || name === "Packets" ? "right" : false }, name)));
    host.append(h("table", { role: "table", "aria-labelledby": "flows-title" }, h("thead", { role: "rowgroup" }, head), this.body));
  }

  get size() {
    return this.#rows.size;
  }

  /** Shows `events`, newest first; rows that stay are left alone. */
  show(events) {
    const known = this.#rows.size > 0;
    const wanted = new Set(events.map((event) => event.id));
    for (const [id, row] of this.#rows) {
      if (!wanted.has(id) && !row.open) {
        row.remove();
        this.#rows.delete(id);
      }
    }
    let before = this.body.firstChild;
    for (const event of events) {
      const row = this.#rows.get(event.id);
      if (row) {
        before = row.last().nextSibling;
        continue;
      }
      const made = new Row(event, known);
      this.body.insertBefore(made.line, before);
      this.#rows.set(event.id, made);
    }
    put($("flows-count"), this.#rows.size ? exact(this.#rows.size) : "");
  }
}

class Row {
  constructor(event, fresh) {
    this.event = event;
    this.button = h("button", { class: "risk", type: "button", "data-level": level(event.risk_score ?? 0), "aria-expanded": "false", title: "Show the record" },
      h("span", { class: "unseen" }, "Risk "), h("span", { class: "score" }, event.risk_score === undefined ? "–" : String(event.risk_score)),
      event.risk_score === undefined ? "" : h("span", { class: "level" }, level(event.risk_score)));
    this.line = h("tr", { role: "row", class: fresh ? "fresh-row" : false, "data-threat": event.ti?.matched ? "yes" : false,
      click: (click) => this.#toggle(click) }, cells(event, this.button));
  }

  get open() {
    return this.more !== undefined;
  }

  last() {
    return this.more ?? this.line;
  }

  remove() {
    this.line.remove();
    this.more?.remove();
  }

  #toggle(click) {
    // Marking text is no click on the row.
    if (!this.button.contains(click.target) && String(getSelection())) return;
    if (this.more) {
      this.more.remove();
      this.more = undefined;
    } else {
      this.more = h("tr", { role: "row", class: "more" }, h("td", { role: "cell", colspan: COLUMNS.length }, detail(this.event)));
      this.line.after(this.more);
    }
    this.button.setAttribute("aria-expanded", String(this.open));
    this.line.toggleAttribute("data-open", this.open);
  }
}

function cells(event, button) {
  const cell = (name, ...children) => h("td", { role: "cell", class: name }, ...children);
  const [arrow, direction] = DIRECTIONS[event.direction] ?? ["", ""];
  return [
    cell("time", h("time", { title: utc(event.end_ms) }, timeOfDay(event.end_ms)),
      h("span", { class: "lasted muted", title: "How long it lasted" }, [day(event.end_ms), duration(event.duration)].filter(Boolean).join(" · "))),
    cell("end src", end(event.src_ip, event.src_port, event.src_geo, event.src_asn)),
    cell("end dst", h("span", { class: "way", title: direction, "aria-label": direction, role: "img" }, arrow || "→"),
      end(event.dst_ip, event.dst_port, event.dst_geo, event.dst_asn, event.domain)),
    cell("service", service(event)),
    cell("right bytes", h("span", { title: `${exact(event.bytes)} bytes` }, bytes(event.bytes))),
    cell("right packets", h("span", { title: `${exact(event.packets)} packets` }, count(event.packets))),
    cell("risk-cell", event.ti?.matched ? h("span", { class: "threat", title: matches(event) }, "threat") : "", button),
  ];
}

const matches = (event) => shown(event.ti.matches.map((match) => `${match.indicator} (${match.category})`).join(", "));

function end(ip, port, geo, asn, domain) {
  if (ip === undefined) return h("span", { class: "muted" }, "–");
  const address = port === undefined ? ip : ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
  const where = [
    geo?.country ? h("span", { class: "country", title: shown(geo.country_name ?? geo.country) }, shown(geo.country, 3)) : "",
    domain ? foreign(domain, { class: "domain" }) : "",
    asn ? foreign(asn.org ?? `AS${asn.asn}`, { class: "org", title: `AS${asn.asn} ${shown(asn.org)}` }) : ""];
  return h("span", { class: "where" }, h("span", { class: "address" }, address), h("span", { class: "place muted" }, where));
}

function service(event) {
  const proto = event.proto ?? (event.proto_num === undefined ? "" : `proto ${event.proto_num}`);
  return [event.service ? foreign(event.service) : "", h("span", { class: "muted" }, event.service ? ` ${proto}` : proto),
    event.kind !== "flow" ? foreign(event.kind, { class: "kind" }) : ""];
}
