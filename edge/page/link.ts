/** A slow or cut link, put between the agent and its server where the page's worker opens its sockets. */
import type { Clock } from '../../shared/clock.ts';
import type { BrowserSocket, OpenSocket } from '../web/web-dial.ts';

export interface LinkSettings {
  /** Added to a round trip, half of it each way. */
  readonly delayMs: number;
  /** While it is, nothing passes in either direction, and nobody is told: like a cable that was pulled. */
  readonly isCut: boolean;
}

interface Crossing {
  readonly dueAtMs: number;
  readonly arrive: () => void;
}

/**
 * Holds back what passes, in order, and as TCP does loses nothing of it: what was under way when the link was cut arrives when it
 * is whole again, unless somebody has given the connection up.
 */
export class EmulatedLink {
  readonly #clock: Clock;
  /** What has not arrived yet, by direction and socket. */
  readonly #lanes = new Set<Lane>();
  #settings: LinkSettings = { delayMs: 0, isCut: false };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get settings(): LinkSettings {
    return this.#settings;
  }

  set settings(settings: LinkSettings) {
    this.#settings = settings;
    for (const lane of this.#lanes) lane.proceed();
  }

  /** Sockets of `open` at the ends of this link. */
  over(open: OpenSocket): OpenSocket {
    return (url, protocol) => {
      const [up, down] = [new Lane(this.#clock, this), new Lane(this.#clock, this)];
      for (const lane of [up, down]) this.#lanes.add(lane);
      const leave = () => {
        for (const lane of [up, down]) this.#lanes.delete(lane);
      };
      return new FarSocket(open(url, protocol), up, down, leave);
    };
  }
}

/** One direction of one connection. */
class Lane {
  readonly #clock: Clock;
  readonly #link: EmulatedLink;
  readonly #waiting: Crossing[] = [];
  #cancel: (() => void) | undefined;

  constructor(clock: Clock, link: EmulatedLink) {
    this.#clock = clock;
    this.#link = link;
  }

  cross(arrive: () => void): void {
    this.#waiting.push({ dueAtMs: this.#clock.now() + this.#link.settings.delayMs / 2, arrive });
    this.proceed();
  }

  /** Lets through what is due; comes back by itself for what is not yet. */
  proceed(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    if (this.#link.settings.isCut) return;
    for (let [next] = this.#waiting; next !== undefined; [next] = this.#waiting) {
      const waitMs = next.dueAtMs - this.#clock.now();
      if (waitMs > 0) {
        this.#cancel = this.#clock.schedule(waitMs, () => this.proceed());
        return;
      }
      this.#waiting.shift();
      next.arrive();
    }
  }

  end(): void {
    this.#cancel?.();
    this.#waiting.length = 0;
  }
}

type Listener = (event: Event) => void;
const heard = ['open', 'message', 'close', 'error'] as const;

/** The near end of a socket whose other end is behind the link. */
class FarSocket implements BrowserSocket {
  readonly #socket: BrowserSocket;
  readonly #up: Lane;
  readonly #down: Lane;
  readonly #leave: () => void;
  readonly #listeners = new Map<string, Set<Listener>>();
  #held = 0;
  #isOpen = false;
  #isOver = false;

  constructor(socket: BrowserSocket, up: Lane, down: Lane, leave: () => void) {
    this.#socket = socket;
    this.#up = up;
    this.#down = down;
    this.#leave = leave;
    for (const kind of heard) socket.addEventListener(kind, (event: Event) => this.#onFar(kind, event));
  }

  get binaryType(): BinaryType {
    return this.#socket.binaryType;
  }

  set binaryType(type: BinaryType) {
    this.#socket.binaryType = type;
  }

  get bufferedAmount(): number {
    return this.#held + this.#socket.bufferedAmount;
  }

  get readyState(): BrowserSocket['readyState'] {
    if (this.#isOver) return 3;
    return this.#isOpen ? 1 : 0;
  }

  readonly addEventListener = (kind: string, listener: unknown): void => {
    if (typeof listener !== 'function') return;
    const own = this.#listeners.get(kind) ?? new Set();
    // Whoever listens to a kind takes its events.
    own.add(listener as Listener);
    this.#listeners.set(kind, own);
  };

  send(message: Uint8Array<ArrayBuffer>): void {
    this.#held += message.byteLength;
    this.#up.cross(() => {
      this.#held -= message.byteLength;
      if (this.#socket.readyState === 1) this.#socket.send(message);
    });
  }

  /** The near end is closed at once, whatever the link: this is its own doing. */
  close(code?: number, reason?: string): void {
    if (this.#isOver) return;
    this.#socket.close(code, reason);
    this.#end(Object.assign(new Event('close'), { code: code ?? 1000, reason: reason ?? '' }));
  }

  #onFar(kind: (typeof heard)[number], event: Event): void {
    this.#down.cross(() => {
      if (this.#isOver) return;
      if (kind === 'close') return this.#end(event);
      if (kind === 'open') this.#isOpen = true;
      this.#tell(kind, event);
    });
  }

  #end(event: Event): void {
    this.#isOver = true;
    this.#up.end();
    this.#down.end();
    this.#leave();
    this.#tell('close', event);
  }

  #tell(kind: string, event: Event): void {
    for (const listener of this.#listeners.get(kind) ?? []) listener(event);
  }
}
