// A waiting line: work is done one after the other. Of work of the same kind, such as all that a
// slider asks while it is dragged, only the last one waits.

export class Line {
  #busy = false;
  #waiting = [];
  #told;

  // `told` hears when work begins, and when none is left.
  constructor(told) { this.#told = told; }

  join(work, kind = null) {
    return new Promise((done) => {
      if (kind !== null) {
        this.#waiting = this.#waiting.filter((one) => one.kind !== kind || one.done());
      }
      this.#waiting.push({ work, kind, done });
      this.#run();
    });
  }

  // Whether work waits for what is being done now.
  get waits() { return this.#waiting.length > 0; }

  async #run() {
    if (this.#busy) return;
    this.#busy = true;
    this.#told(true);
    while (this.#waiting.length) {
      const { work, done } = this.#waiting.shift();
      await work();
      done();
    }
    this.#busy = false;
    this.#told(false);
  }
}
