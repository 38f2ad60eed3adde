import type { Socket } from 'node:net';

/**
 * In whose name requests take turns at being served: each connection has a turn of its own, as those of devices have. Callers
 * whose connection a proxy has them share are kept apart, too.
 */
export class TurnNames {
  readonly #connections = new WeakMap<Socket, number>();
  #opened = 0;

  /** As no other connection or caller, and no device, is named. */
  of(socket: Socket, caller: string): string {
    const number = this.#connections.get(socket) ?? ++this.#opened;
    this.#connections.set(socket, number);
    return `HTTP connection ${number} of ${caller}`;
  }
}
