import { connect, type Socket } from 'node:net';
import { Pipe } from './pipe.ts';
import type { Way } from './way.ts';

/** Where a connection leads. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** One connection through the link. */
export class Connection {
  readonly #client: Socket;
  readonly #up: Way;
  readonly #down: Way;
  readonly #place: Place;
  readonly #onClose: (connection: Connection) => void;
  #target: Socket | undefined;
  #closed = false;

  constructor(
    client: Socket,
    place: Place,
    ways: { readonly up: Way; readonly down: Way },
    onClose: (connection: Connection) => void,
  ) {
    this.#client = client;
    this.#place = place;
    this.#up = ways.up;
    this.#down = ways.down;
    this.#onClose = onClose;
    client.setNoDelay(true);
    // An error is always followed by the closing, which is heard.
    client.on('error', () => {});
    // TCP's three packets, as they would travel: the target is dialled when the first has arrived, the client may send when
    // the second one has, and the target when the third one has.
    this.#up.carry({ bytes: 0, arrive: () => this.#dial() });
    client.on('close', () => this.#settle());
  }

  /** Cuts both sides at once. */
  destroy(): void {
    this.#closed = true;
    this.#client.resetAndDestroy();
    // One that is still being dialled would be waited for.
    if (this.#target?.connecting) this.#target.destroy();
    else this.#target?.resetAndDestroy();
  }

  #dial(): void {
    if (this.#closed || this.#client.destroyed) return;
    const target = connect({ ...this.#place, allowHalfOpen: true, noDelay: true });
    this.#target = target;
    const upward = new Pipe(this.#client, target, this.#up);
    const downward = new Pipe(target, this.#client, this.#down);
    this.#client.on('close', (hadError) => {
      if (hadError || !this.#client.readableEnded) upward.break();
    });
    target.on('error', () => {});
    target.on('close', (hadError) => {
      if (hadError || !target.readableEnded) downward.break();
      this.#settle();
    });
    target.once('connect', () => {
      const reply = () => {
        upward.open();
        this.#up.carry({ bytes: 0, arrive: () => downward.open() });
      };
      this.#down.carry({ bytes: 0, arrive: reply });
    });
  }

  #settle(): void {
    if (!this.#client.destroyed || this.#target?.destroyed === false) return;
    this.#onClose(this);
  }
}
