/** So many at once; who comes later waits for one that ends, first come first served. */
export class Slots {
  readonly #count: number;
  readonly #waiting: (() => void)[] = [];
  #taken = 0;

  constructor(count: number) {
    this.#count = count;
  }

  async take(): Promise<void> {
    if (this.#taken < this.#count) {
      this.#taken++;
      return;
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#taken--;
    else next();
  }

  /** Until all that were taken have been given back; takes them meanwhile, so that nobody else does. */
  async drained(): Promise<void> {
    await Promise.all(Array.from({ length: this.#count }, () => this.take()));
    for (let slot = 0; slot < this.#count; slot++) this.give();
  }
}
