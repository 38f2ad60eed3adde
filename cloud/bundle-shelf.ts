import { type Bundle, openBundle } from '../shared/bundle/index.ts';
import { OfframpError } from '../shared/errors.ts';
import { bundleFolder } from '../shared/host/index.ts';
import type { LoadingRunner, WarmRun } from '../shared/runtime/index.ts';
import { type ServedBundle, serveBundle } from './served-bundle.ts';

/** What goes on with the work of a bundle that is taken off. */
export interface ShelfEvents {
  onLoaded(served: ServedBundle, warmRuns: readonly WarmRun[]): void;
  /** Resolves once nothing of the bundle waits or runs any more. */
  settled(served: ServedBundle): Promise<void>;
}

/**
 * The bundles a server has. They may come and go while it runs: a new version stands beside the old one, each known by its
 * digest, until the old one is taken off, so that devices can be moved over one after the other.
 */
export class BundleShelf {
  readonly #runner: LoadingRunner;
  readonly #events: ShelfEvents;
  readonly #byTag = new Map<number, ServedBundle>();
  /** Tags of bundles that are on their way. */
  readonly #loading = new Set<number>();
  readonly #maxBundles: number;

  constructor(
    runner: LoadingRunner,
    served: readonly ServedBundle[],
    maxBundles: number,
    events: ShelfEvents,
  ) {
    this.#runner = runner;
    this.#events = events;
    this.#maxBundles = maxBundles;
    for (const one of served) this.#byTag.set(one.tag, one);
  }

  /** Oldest first. */
  get all(): readonly ServedBundle[] {
    return [...this.#byTag.values()];
  }

  byTag(tag: number): ServedBundle | undefined {
    return this.#byTag.get(tag);
  }

  /** The bundle that came last of those with this id. */
  newest(id: string): ServedBundle | undefined {
    return this.all.findLast((served) => served.id === id);
  }

  /**
   * Reads a bundle and puts it on the shelf once its graphs are loaded and warm. When it throws, all is as it was before.
   * @throws OfframpError CONFIG_INVALID (it is there already, or the shelf is full), what {@link openBundle} and
   * {@link LoadingRunner.load} throw.
   */
  async load(folder: string): Promise<ServedBundle> {
    const bundle = await openBundle(bundleFolder(folder));
    const served = serveBundle(bundle, this.#runKey(bundle));
    this.#reserve(served);
    try {
      const warmRuns = await this.#runner.load(served.graphs);
      this.#byTag.set(served.tag, served);
      this.#events.onLoaded(served, warmRuns);
      return served;
    } finally {
      this.#loading.delete(served.tag);
    }
  }

  /**
   * Takes a bundle off: new work for it is refused at once, what waits or runs is still answered, then its graphs are freed.
   * @throws OfframpError BUNDLE_NOT_FOUND, CONFIG_INVALID for the last one.
   */
  async unload(id: string, digest?: string): Promise<void> {
    const served = this.all.find((one) => one.id === id && (digest === undefined || one.digest === digest));
    if (served === undefined) {
      const what = digest === undefined ? `'${id}'` : `'${id}' with digest ${digest}`;
      throw new OfframpError('BUNDLE_NOT_FOUND', `No bundle ${what} is served`);
    }
    if (this.#byTag.size === 1) {
      throw new OfframpError('CONFIG_INVALID', `${id} is the last bundle; stop the server instead`);
    }
    this.#byTag.delete(served.tag);
    await this.#events.settled(served);
    await this.#runner.unload(served.graphs.map(({ key }) => key));
  }

  /** A name for the graphs that no other version of the bundle has. */
  #runKey({ manifest, digest }: Bundle): string {
    return `${manifest.id}@${digest.slice(0, 8)}`;
  }

  #reserve({ tag, id }: ServedBundle): void {
    if (this.#byTag.has(tag) || this.#loading.has(tag)) {
      const name = tag.toString(16).padStart(8, '0');
      throw new OfframpError(
        'CONFIG_INVALID',
        `${id}: a bundle whose digest begins with ${name} is served already`,
      );
    }
    if (this.#byTag.size + this.#loading.size >= this.#maxBundles) {
      const message = `${this.#maxBundles} bundles are served, no more are taken; unload one first`;
      throw new OfframpError('CONFIG_INVALID', message);
    }
    this.#loading.add(tag);
  }
}
