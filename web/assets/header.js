// Product, observation points, and how fresh all of this is.

import { $, foreign, h, marked, put, shown } from "./dom.js";
import { bytes, exact, many } from "./format.js";

const STATES = { capturing: "good", replaying: "good", finished: "none", off: "none", no_permission: "bad", failed: "bad" };
const TEXT = { capturing: "capturing", replaying: "replaying", finished: "read to its end", off: "off", no_permission: "no permission", failed: "failed" };

/** Parts of the agent whose trouble is told beside what they do. */
const TOLD_ELSEWHERE = ["capture", "store"];

/** The version beside the name. */
export function version(about) {
  put($("version"), about.version ?? "");
}

/** The branch office that this is, where it has a name. */
export function site(about) {
  put($("site"), shown(about?.site ?? ""));
}

/** Tells what is wrong with parts of the agent. */
export function parts(all) {
  const broken = all.filter(({ name, status }) => !TOLD_ELSEWHERE.includes(name) && (status === "degraded" || status === "failed"));
  const host = $("parts-trouble");
  const print = JSON.stringify(broken);
  host.hidden = broken.length === 0;
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  host.replaceChildren(...broken.map(({ name, status, detail }) => h("li", {}, h("strong", {}, foreign(name), ` ${status}`), ": ", ...marked(detail ?? "no reason was given"))));
}

/** Tells of dead letters, and what to do about them. */
export function letters(all) {
  const host = $("letters");
  const print = all?.total > 0 ? `${all.total} ${all.bytes}` : "";
  host.hidden = print === "";
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  host.replaceChildren(...(print === "" ? [] : [h("strong", {}, many(all.total, "dead letter")), ` (${bytes(all.bytes)}): records that could not be stored, or rows that an output refused. `,
    ...marked("`GET /v1/admin/dlq` says why each is there; once that is mended, `POST /v1/admin/dlq/replay` with `{\"all\":true}` stores the records again.")]));
}

/** Each interface or file with its state. */
export function points(interfaces) {
  const print = JSON.stringify(interfaces.map(({ interface: name, state, reason, kernel_drops }) => [name, state, reason, kernel_drops]));
  const host = $("points");
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  host.replaceChildren(...interfaces.map((point) => h("li", { "data-state": STATES[point.state] ?? "none", title: point.reason },
    h("span", { class: "dot", "aria-hidden": "true" }), foreign(point.interface),
    h("span", { class: "muted" }, ` ${TEXT[point.state] ?? point.state}`,
      point.kernel_drops > 0 ? `, ${exact(point.kernel_drops)} dropped` : ""))));
}

/** Tells why a point does not capture, where that is not told elsewhere. */
export function trouble(interfaces, elsewhere) {
  const broken = elsewhere ? [] : interfaces.filter((point) => STATES[point.state] === "bad");
  const host = $("points-trouble");
  const print = JSON.stringify(broken.map((point) => [point.interface, point.reason]));
  host.hidden = broken.length === 0;
  if (host.dataset.print === print) return;
  host.dataset.print = print;
  host.replaceChildren(...broken.map((point) => h("li", {}, h("strong", {}, foreign(point.interface), ` ${TEXT[point.state]}`), ": ", ...marked(point.reason ?? "no reason was given"))));
}

/** Says how old the newest figures are; colours as operators know them: 10 s, 30 s. */
export function freshness(updated) {
  const age = updated === null ? null : Math.max(0, Math.floor((performance.now() - updated) / 1000));
  put($("age"), age === null ? "Not updated yet" : `Last updated ${age}s ago`);
  $("freshness").dataset.state = age === null ? "none" : age < 10 ? "good" : age < 30 ? "warn" : "bad";
}
