import type { EmulatedLink, LinkSettings } from './link.ts';

/**
 * The page's hand on the link of its worker. Pages of the same place that are open besides have channels of their own, by the
 * name that the page gives its worker in the fragment of its address.
 */
export class LinkControl {
  readonly name = `link-${crypto.randomUUID()}`;
  readonly #channel = new BroadcastChannel(this.name);
  #settings: LinkSettings = { delayMs: 0, isCut: false };

  constructor() {
    // A worker that has just begun asks.
    this.#channel.addEventListener('message', () => this.#channel.postMessage(this.#settings));
  }

  get settings(): LinkSettings {
    return this.#settings;
  }

  set(change: Partial<LinkSettings>): void {
    this.#settings = { ...this.#settings, ...change };
    this.#channel.postMessage(this.#settings);
  }
}

/** The worker's side: the link follows what the page of that name says. */
export function obeyPage(link: EmulatedLink, name: string): void {
  const channel = new BroadcastChannel(name);
  channel.addEventListener('message', ({ data }: MessageEvent<LinkSettings>) => {
    link.settings = data;
  });
  channel.postMessage('which settings?');
}
