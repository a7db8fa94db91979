// Numbers, amounts and times as people read them.

const UNITS = ["", "k", "M", "G", "T", "P"];
const SPACE = "\u202f";
const whole = new Intl.NumberFormat();
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const date = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });

/** Three significant digits and an SI prefix, in two parts. */
export function scaled(value) {
  let number = Number.isFinite(value) ? value : 0;
  let unit = 0;
  while (Math.abs(number) >= 999.5 && unit < UNITS.length - 1) {
    number /= 1000;
    unit += 1;
  }
  const size = Math.abs(number);
  const digits = size === 0 || (unit === 0 && Number.isInteger(number)) ? 0 : size < 10 ? 2 : size < 100 ? 1 : 0;
  return [number.toFixed(digits).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, ""), UNITS[unit]];
}

function withUnit(value, unit) {
  const [number, prefix] = scaled(value);
  return prefix || unit ? `${number}${SPACE}${prefix}${unit}` : number;
}

export const count = (value) => withUnit(value, "");
export const bytes = (value) => withUnit(value, "B");
export const bits = (value) => withUnit(value, "bit/s");
export const perSecond = (value) => `${count(value)}/s`;
export const exact = (value) => whole.format(value ?? 0);

/** `1 packet`, `2 packets`. */
export const many = (number, noun) => `${exact(number)} ${noun}${number === 1 ? "" : "s"}`;

export function duration(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)}${SPACE}ms`;
  if (seconds < 60) return `${seconds.toFixed(seconds < 10 ? 1 : 0)}${SPACE}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}${SPACE}min ${Math.floor(seconds % 60)}${SPACE}s`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours}${SPACE}h ${minutes % 60}${SPACE}min`;
  return `${Math.floor(hours / 24)}${SPACE}d ${hours % 24}${SPACE}h`;
}

/** A duration in one unit, for narrow columns. */
export function span(seconds) {
  for (const [unit, size] of [["d", 86400], ["h", 3600], ["min", 60]]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${SPACE}${unit}`;
  }
  return seconds < 1 ? duration(seconds) : `${Math.floor(seconds)}${SPACE}s`;
}

export const timeOfDay = (ms) => (Number.isFinite(ms) ? clock.format(new Date(ms)) : "–");

/** The local date, empty when it is today's. */
export function day(ms) {
  const at = new Date(ms);
  const plain = Number.isNaN(at.getTime()) || at.toDateString() === new Date().toDateString();
  return plain ? "" : date.format(at);
}

/** Local date and time of day; the date only when it is not today's. */
export const time = (ms) => [day(ms), timeOfDay(ms)].filter(Boolean).join(" ");

/** The same instant in UTC, for hovering. */
export function utc(ms) {
  const at = new Date(ms);
  return Number.isNaN(at.getTime()) ? "" : `${at.toISOString().replace("T", " ").replace("Z", "")} UTC`;
}

/** `kernel_ring_full` as words. */
export const words = (name) => String(name).replaceAll("_", " ");
