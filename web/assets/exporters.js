// Who sends flow records, and to where: a table that is brought up to date in place, since readers keep rows open.

import { $, foreign, h, marked, put, shown } from "./dom.js";
import { HEALTH, ago, clock, facts, offset, speaks, undecodable } from "./exporter.js";
import { bytes, count, exact, many, perSecond, utc, words } from "./format.js";

const SHOWN = 50;
const COLUMNS = ["Exporter", "Records", "Templates", "Missing", "Undecodable", "Parked", "Clock", "Last heard", "More"];
const TITLES = {
  Records: "Flow records a second, over the last minute", Templates: "Templates known now",
  Missing: "What sequence numbers say was lost on the way here", Undecodable: "What was received and could not be decoded",
  Parked: "Data that waits for its template", Clock: "How far its clock is ahead of ours or behind it" };
const STATES = { listening: "good", failed: "bad", starting: "none" };
const RANK = { degraded: 0, stale: 1, healthy: 2 };
const natural = new Intl.Collator("en", { numeric: true });

/** Those in trouble first; else by address, so that rows stay where they are. */
const order = (a, b) => (RANK[a.health_status] ?? 0) - (RANK[b.health_status] ?? 0) || natural.compare(a.address, b.address) || a.port - b.port;

export class Exporters {
  #rows = new Map();
  #all = false;
  #answer;

  constructor(host, more) {
    this.body = h("tbody", { role: "rowgroup" });
    this.more = more;
    const head = h("tr", { role: "row" }, COLUMNS.map((name) =>
      h("th", { scope: "col", role: "columnheader", title: TITLES[name] }, name === "More" ? h("span", { class: "unseen" }, name) : name)));
    host.append(h("table", { role: "table", "aria-labelledby": "exporters-title" }, h("thead", { role: "rowgroup" }, head), this.body));
    more.addEventListener("click", () => {
      this.#all = !this.#all;
      this.#draw();
    });
  }

  /** Shows an answer of `/v1/sources`. */
  show(answer) {
    if (answer === this.#answer) return;
    this.#answer = answer;
    $("exporters").hidden = !answer.total && !answer.listeners.length;
    $("exporters-table").hidden = !answer.total;
    $("exporters-empty").hidden = answer.total > 0;
    if (!answer.total && answer.listeners.length) advice($("exporters-empty"), answer.listeners);
    listeners($("listeners"), answer.listeners);
    this.#draw();
  }

  #draw() {
    const { sources, total } = this.#answer;
    const sorted = [...sources].sort(order);
    put($("exporters-count"), summary(sources, total));
    this.#place(this.#all ? sorted : sorted.slice(0, SHOWN));
    const left = sources.length - SHOWN;
    this.more.hidden = left <= 0;
    this.more.setAttribute("aria-expanded", String(this.#all));
    put(this.more, this.#all ? "Show fewer" : `Show ${exact(left)} more`);
    const beyond = total - sources.length;
    put($("exporters-beyond"), beyond > 0 ? `${exact(beyond)} more, silent for longest, are in /v1/sources.` : "");
  }

  /** Rows in the order of `sources`; rows that stay keep what is open in them, and the focus. */
  #place(sources) {
    const focused = document.activeElement;
    const wanted = new Set(sources.map(({ id }) => id));
    for (const [id, row] of this.#rows) {
      if (wanted.has(id)) continue;
      row.remove();
      this.#rows.delete(id);
    }
    let next = this.body.firstChild;
    for (const source of sources) {
      let row = this.#rows.get(source.id);
      if (!row) this.#rows.set(source.id, (row = new Row(source)));
      row.update(source);
      if (row.line !== next) row.place(this.body, next);
      next = row.last().nextSibling;
    }
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
  }
}

class Row {
  constructor(source) {
    this.name = h("bdi", { class: "address" });
    this.about = h("span", { class: "place muted" });
    this.health = h("span", { class: "unseen" });
    this.button = h("button", { class: "quiet small", type: "button", "aria-expanded": "false", "aria-label": `Details of ${source.display_name}` },
      "Details");
    const cell = (name, ...content) => h("td", { role: "cell", class: name, "data-label": name }, ...content);
    this.cells = Object.fromEntries(COLUMNS.slice(1, -1).map((name) => [name, h("span")]));
    this.who = h("div", { class: "exporter" }, h("span", { class: "dot", "aria-hidden": "true" }), this.health,
      h("span", { class: "where" }, this.name, this.about));
    this.line = h("tr", { role: "row", click: (click) => this.#toggle(click) }, h("td", { role: "cell", class: "who" }, this.who),
      Object.entries(this.cells).map(([name, value]) => cell(name, value)), h("td", { role: "cell", class: "open" }, this.button));
  }

  last() {
    return this.more ?? this.line;
  }

  remove() {
    this.line.remove();
    this.more?.remove();
  }

  place(body, next) {
    body.insertBefore(this.line, next);
    if (this.more) this.line.after(this.more);
  }

  update(source) {
    this.source = source;
    const [state, health] = HEALTH[source.health_status] ?? HEALTH.stale;
    this.who.dataset.state = state;
    put(this.health, `${health}: `);
    put(this.name, shown(source.display_name));
    put(this.about, [state === "good" ? "" : health, speaks(source), source.domains > 1 ? many(source.domains, "domain") : "",
      source.sampling > 1 ? `sampled 1 of ${exact(source.sampling)}` : ""].filter(Boolean).join(" · "));
    const { sequence } = source;
    this.#set("Records", perSecond(source.records_per_second), `${exact(source.records)} since the start`);
    this.#set("Templates", count(source.templates), many(source.options_records, "options record"));
    this.#set("Missing", sequence.lost ? `${count(sequence.lost)} ${sequence.unit}` : "0", missing(sequence), sequence.lost ? "warn" : "");
    this.#set("Undecodable", count(source.undecodable.total), undecodable(source).join(", ") || "all was decoded", source.undecodable.total ? "warn" : "");
    this.#set("Parked", source.parked_bytes ? bytes(source.parked_bytes) : "0", "", source.parked_bytes ? "warn" : "");
    this.#set("Clock", offset(source.clock_offset_ms), clock(source.clock_offset_ms).title, clock(source.clock_offset_ms).state);
    this.#set("Last heard", ago(source.silent_seconds), utc(source.last_seen_ts ?? NaN), lateness(source.silent_seconds));
    if (this.more) this.#detail();
  }

  #set(name, text, title, state = "") {
    const value = this.cells[name];
    put(value, text);
    if (value.title !== title) value.title = title;
    if (value.dataset.state !== state) value.dataset.state = state;
    // On narrow screens only what there is to tell.
    value.parentElement.toggleAttribute("data-plain", text === "0" || name === "Templates");
  }

  #toggle(click) {
    // Marking text is no click on the row.
    if (!this.button.contains(click.target) && String(getSelection())) return;
    if (this.more) {
      this.more.remove();
      this.more = undefined;
    } else {
      this.more = h("tr", { role: "row", class: "more" }, h("td", { role: "cell", colspan: COLUMNS.length }));
      this.#detail();
      this.line.after(this.more);
    }
    this.button.setAttribute("aria-expanded", String(this.more !== undefined));
    this.line.toggleAttribute("data-open", this.more !== undefined);
  }

  /** Draws the details anew where they changed, but not under a reader who marks text in them. */
  #detail() {
    const host = this.more.firstChild;
    const made = facts(this.source);
    if (host.textContent === made.textContent || (String(getSelection()) && host.contains(getSelection().anchorNode))) return;
    host.replaceChildren(made);
  }
}

/** Colours of silence, at the bounds of the health. */
const lateness = (seconds) => (seconds === null || seconds >= 300 ? "bad" : seconds >= 120 ? "warn" : "");

function missing({ lost, unit, gaps, reordered, restarts }) {
  return lost || reordered || restarts
    ? `${exact(lost)} ${unit} in ${many(gaps, "gap")}, ${exact(reordered)} late, ${many(restarts, "restart")}` : "nothing is missing";
}

function summary(sources, total) {
  const of = (status) => sources.filter((source) => source.health_status === status).length;
  const parts = ["degraded", "stale"].map((status) => [of(status), HEALTH[status][1]]).filter(([number]) => number > 0);
  return total ? [exact(total), ...parts.map(([number, text]) => `${exact(number)} ${text}`)].join(" · ") : "";
}

/** Each listener with its state and what the kernel dropped there. */
function listeners(host, all) {
  const print = JSON.stringify(all.map(({ address, state, reason, kernel_drops }) => [address, state, reason, kernel_drops]));
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  host.replaceChildren(...all.map((one) => h("li", { "data-state": STATES[one.state] ?? "none",
    title: one.reason ?? (one.receive_buffer_bytes ? `receive buffer ${bytes(one.receive_buffer_bytes)}` : undefined) },
    h("span", { class: "dot", "aria-hidden": "true" }), foreign(`UDP ${one.address}`, { title: undefined }),
    h("span", { class: "muted" }, words(one.state)),
    one.kernel_drops > 0 ? h("span", { class: "error" }, `${exact(one.kernel_drops)} dropped`) : "")));
}

const isLoopback = (address) => /^(127\.|\[::1\])/.test(address);

/** How to have exporters send to this device. */
function advice(host, all) {
  const print = JSON.stringify(all.map(({ address }) => address));
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  const reach = "Only this device itself can reach the listeners now. For others, name an address of it in `collect.listen`, for example "
    + "`0.0.0.0:2055`, the exporters in `collect.allow`, and restart Weir.";
  host.replaceChildren(
    h("p", {}, h("strong", {}, "No exporter has been heard yet. "),
      "Have routers, switches and firewalls send NetFlow (v5, v7, v9) or IPFIX to UDP port 2055 of this device and sFlow (v5) to 6343; ",
      "each listener takes every version."),
    all.every(({ address }) => isLoopback(address)) ? h("p", {}, ...marked(reach)) : "");
}
