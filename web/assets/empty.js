// What to do when there is nothing to show.

import { foreign, h, marked } from "./dom.js";
import { exact, many } from "./format.js";

const REPLAY = "weir run --replay capture.pcap";

const tell = (title, text, command) => [
  h("h3", {}, title), h("p", {}, text), command ? h("pre", {}, h("code", {}, command)) : ""];

/** Advice that fits the state of the observation points. */
export function advice(metrics) {
  const points = metrics?.capture.interfaces ?? [];
  const denied = points.find((point) => point.state === "no_permission");
  const failed = points.find((point) => point.state === "failed");
  if (denied ?? failed) {
    const { interface: name, reason } = denied ?? failed;
    return tell(denied ? "Weir may not capture" : "Capture has failed",
      [foreign(name), ": ", ...marked(reason ?? "no reason was given"), ". Until then, a recorded capture needs no rights:"], REPLAY);
  }
  const { datagrams = 0, exporters = 0 } = metrics?.collect ?? {};
  if (datagrams > 0) {
    return tell("No flows yet", `${many(datagrams, "datagram")} of ${many(exporters, "exporter")} came. Flows are listed here once the templates that describe them are known.`);
  }
  const live = points.find((point) => point.state === "capturing");
  if (!live && !points.some((point) => point.state === "replaying" || point.state === "finished")) {
    return tell("Nothing is being captured", "Name an interface with --interface, have exporters send their flows here, or replay a recorded capture:", REPLAY);
  }
  if (live && metrics.capture.packets === 0) {
    return tell("No packets yet", ["Weir listens on ", foreign(live.interface),
      ", but nothing has come in. Check the cable and the mirror port of the switch. To see the page at work, replay a capture:"], REPLAY);
  }
  return tell("No flows yet", `${exact(metrics?.capture.packets ?? 0)} packets were seen, ${exact(metrics?.table.flows ?? 0)} flows are open. A flow is listed here when it ends, at the latest after a minute of silence.`);
}
