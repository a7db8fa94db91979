// Asking again and again: never twice at once, never in a background tab.

/** Calls `ask(signal)` each `period` ms; `done(value)` or `failed(error, inARow)` hear of it. */
export class Poll {
  #timer;
  #abort;
  #running = false;
  #failures = 0;
  #visible = () => (document.hidden ? this.#halt() : this.#next(0));

  constructor(period, ask, done, failed) {
    Object.assign(this, { period, ask, done, failed });
  }

  start() {
    if (this.#running) return;
    this.#running = true;
    this.#failures = 0;
    document.addEventListener("visibilitychange", this.#visible);
    this.#visible();
  }

  stop() {
    this.#running = false;
    document.removeEventListener("visibilitychange", this.#visible);
    this.#halt();
  }

  now() {
    if (this.#running) this.#next(0);
  }

  #halt() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    this.#abort = undefined;
  }

  #next(delay) {
    this.#halt();
    this.#timer = setTimeout(() => this.#once(), delay);
  }

  async #once() {
    const abort = (this.#abort = new AbortController());
    try {
      const value = await this.ask(abort.signal);
      if (abort.signal.aborted) return;
      this.#failures = 0;
      this.done(value);
    } catch (error) {
      if (abort.signal.aborted) return;
      this.#failures += 1;
      this.failed(error, this.#failures);
    }
    if (this.#running && this.#abort === abort) this.#next(this.period);
  }
}

/** `draw`, at most four times a second and only when the browser paints. */
export function atMostFourTimesASecond(draw) {
  let last = 0;
  let pending = false;
  return () => {
    if (pending) return;
    pending = true;
    const wait = Math.max(0, last + 250 - performance.now());
    setTimeout(() => requestAnimationFrame(() => {
      pending = false;
      last = performance.now();
      draw();
    }), wait);
  };
}
