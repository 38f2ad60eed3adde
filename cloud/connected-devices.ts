import type { Duplex } from 'node:stream';
import type { WebSocket } from 'ws';
import { systemClock } from '../shared/clock.ts';
import type { ErrorCode } from '../shared/errors.ts';
import { maxHeaderBytes } from '../shared/protocol/index.ts';
import type { DeviceState, StandingAlarm } from './console/index.ts';
import type { CloudLimits } from './limits.ts';
import { watchMessages } from './message-watch.ts';
import { Session, type SessionHost } from './session.ts';
import { attach, wsTransport } from './ws-transport.ts';

/** A connection of a device. */
export interface Peer {
  readonly socket: WebSocket;
  /** Without the port. */
  readonly address: string;
  readonly authorise: SessionHost['authorise'];
}

export interface ConnectedDevicesOptions {
  /** What all sessions have in common. */
  readonly host: Omit<SessionHost, 'authorise' | 'connection'>;
  readonly limits: Pick<CloudLimits, 'heartbeatMs' | 'messageTimeoutMs'>;
  readonly onReceived: (bytes: number) => void;
}

/** A hello is a header, and what stands around it. */
const maxHelloBytes = maxHeaderBytes + 64;

/** The devices whose connections are open, each with its session. */
export class ConnectedDevices {
  readonly #options: ConnectedDevicesOptions;
  readonly #sessions = new Map<Session, Peer>();
  #opened = 0;

  constructor(options: ConnectedDevicesOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Requests that are not answered yet. */
  get inFlight(): number {
    return [...this.#sessions.keys()].reduce((sum, { inFlight }) => sum + inFlight, 0);
  }

  /** What is known of those that have said hello. */
  get states(): DeviceState[] {
    const greeted = [...this.#sessions].filter(([{ client }]) => client !== undefined);
    return greeted.map(([session, { address }]) => {
      const { agent, alarms, bundles, client, credits, inFlight, tally } = session;
      return { agent, alarms, bundles, client: client?.name ?? '', credits, inFlight, tally, address };
    });
  }

  /** Devices with an alarm that stands, by watch. */
  get alarmed(): Readonly<Record<StandingAlarm['watch'], number>> {
    const count = (watch: StandingAlarm['watch']) =>
      [...this.#sessions.keys()].filter(({ alarms }) => alarms.some((alarm) => alarm.watch === watch)).length;
    return { audits: count('audits'), 'exit-share': count('exit-share') };
  }

  /** Begins a session. @param raw the stream below the WebSocket. */
  open(peer: Peer, raw: Duplex): void {
    const { host, limits, onReceived } = this.#options;
    const { socket, authorise } = peer;
    const connection = `connection ${++this.#opened}`;
    const session = new Session({ ...host, connection, authorise }, wsTransport(socket));
    this.#sessions.set(session, peer);
    const events = {
      onMessage: (message: Uint8Array) => session.onMessage(message),
      onClose: () => {
        this.#sessions.delete(session);
        session.onClose();
      },
      onReceived,
      onFault: (code: ErrorCode) => session.fault(code),
    };
    attach(socket, raw, events, limits.heartbeatMs);
    watchMessages(raw, {
      ...{ clock: systemClock, messageTimeoutMs: limits.messageTimeoutMs },
      // What is longer than any message may be is found by ws.
      maxMessageBytes: () => (session.greeted ? host.limits.maxFrameBytes : maxHelloBytes),
      maxFrameBytes: host.limits.maxFrameBytes,
      onTrouble: (error) => {
        // The rest of the message stays with the peer.
        socket.pause();
        session.end(error);
      },
    });
  }

  /** Asks all of them to look for another server. */
  goAway(reason: string): void {
    for (const session of this.#sessions.keys()) session.goAway(reason);
  }

  /** Asks those that run this bundle; they hear at their next hello what is missing here. */
  sendOn(digest: string): void {
    for (const session of this.#sessions.keys()) {
      if (session.claims(digest)) session.goAway('bundle unloaded');
    }
  }

  /** Ends the connections whose token was taken away or has expired; returns how many. */
  endRefused(): number {
    let ended = 0;
    for (const session of this.#sessions.keys()) {
      const refusal = session.client?.refusal();
      if (refusal === undefined) continue;
      session.end(refusal);
      ended++;
    }
    return ended;
  }

  close(code: number, reason: string): void {
    for (const { socket } of this.#sessions.values()) socket.close(code, reason);
  }
}
