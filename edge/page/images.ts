import { type ImageRow, readImages, type ServedBundle } from './config.ts';

/** The images of the network in use, loaded when somebody wants the first of them. */
export class BundleImages {
  #bundle: ServedBundle;
  #row: Promise<ImageRow> | undefined;

  constructor(bundle: ServedBundle) {
    this.#bundle = bundle;
  }

  /** Those of another network from now on. */
  use(bundle: ServedBundle): void {
    this.#bundle = bundle;
    this.#row = undefined;
  }

  /** @throws Error when they cannot be had; the next call tries again. */
  async row(): Promise<ImageRow> {
    const row = this.#row ?? readImages(this.#bundle);
    this.#row = row;
    try {
      return await row;
    } catch (thrown) {
      if (this.#row === row) this.#row = undefined;
      throw thrown;
    }
  }
}
