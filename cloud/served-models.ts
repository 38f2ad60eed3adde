import type { LoadingRunner } from '../shared/runtime/index.ts';
import { BundleShelf, newestOfEach } from './bundle-shelf.ts';
import type { Engine } from './engine.ts';
import { ModelTable } from './http/index.ts';
import { type CloudLimits, type MessageBounds, messageBounds, requireRoom } from './limits.ts';
import type { ServedBundle } from './served-bundle.ts';

export interface ServedModelsOptions {
  /** Served from the start. */
  readonly bundles: readonly ServedBundle[];
  readonly runner: Pick<LoadingRunner, 'load' | 'unload'>;
  readonly engine: Pick<Engine, 'introduce' | 'settled'>;
  readonly limits: CloudLimits;
  /** New work for it is refused from now on. */
  readonly onTakenOff: (served: ServedBundle) => void;
}

/** Versions count each; the welcome names them all. */
const maxBundles = 32;

/** What a server serves now: bundles by digest for devices, models by name for callers of the inference protocol. */
export class ServedModels {
  readonly shelf: BundleShelf;
  /** By the bundles at start; connections are told them once. */
  readonly bounds: MessageBounds;
  #table: ModelTable;

  /** @throws OfframpError CONFIG_INVALID when two models would have one name. */
  constructor({ bundles, runner, engine, limits, onTakenOff }: ServedModelsOptions) {
    this.bounds = messageBounds(limits, bundles);
    this.#table = new ModelTable(bundles, limits);
    const renew = () => {
      this.#table = new ModelTable(newestOfEach(this.shelf.all), limits);
    };
    this.shelf = new BundleShelf({
      ...{ runner, bundles, maxBundles },
      events: {
        check: (all) => {
          new ModelTable(newestOfEach(all), limits);
          requireRoom(messageBounds(limits, all), this.bounds);
        },
        onLoaded: (served, warmRuns) => {
          engine.introduce(served, warmRuns);
          renew();
        },
        onTakenOff: (served) => {
          renew();
          onTakenOff(served);
        },
        settled: (served) => engine.settled(served),
      },
    });
  }

  /** The newest version of each bundle, and its segments. */
  get table(): ModelTable {
    return this.#table;
  }
}
