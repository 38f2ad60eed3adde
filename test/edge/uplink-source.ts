import * as assert from 'uvu/assert';
import { DeviceAlarms, Uplink, type UplinkEvent } from '../../edge/agent/index.ts';
import { encodeGoaway } from '../../shared/protocol/index.ts';
import { VirtualClock } from '../support/virtual-clock.ts';
import { type Dialled, digest, hello, TestCloud } from './link-source.ts';

export interface Setting {
  readonly uplink: Uplink;
  readonly cloud: TestCloud;
  readonly clock: VirtualClock;
  readonly events: UplinkEvent[];
  /** Called at every event. */
  readonly listeners: (() => void)[];
  readonly alarms: DeviceAlarms;
}

/** An uplink whose jitter takes nothing off: pauses are 100, 200, 400 ... 1000 ms. */
export function started(): Setting {
  const cloud = new TestCloud();
  const clock = new VirtualClock();
  const events: UplinkEvent[] = [];
  const listeners: (() => void)[] = [];
  const alarms = new DeviceAlarms({ digest });
  const uplink = new Uplink({
    alarms: () => alarms.standing,
    dial: cloud.dial,
    hello,
    clock,
    random: () => 1,
    backoff: { firstMs: 100, maxMs: 1000 },
    limits: { welcomeTimeoutMs: 500, maxWaiting: 4 },
    onEvent: (event) => {
      events.push(event);
      for (const listener of listeners) listener();
    },
  });
  uplink.start();
  return { uplink, cloud, clock, events, listeners, alarms };
}

export function connected(): Setting {
  const made = started();
  made.cloud.last.accept();
  assert.ok(made.uplink.connected);
  return made;
}

export function kinds({ events }: Setting): string[] {
  return events.map(({ kind }) => kind);
}

/** Connected to a server that says it goes; nobody has been dialled for it yet. */
export function going(): Setting & { readonly old: Dialled } {
  const made = connected();
  const old = made.cloud.last;
  old.events.onMessage(encodeGoaway('update'));
  assert.ok(made.uplink.connected, 'it serves on');
  return { ...made, old };
}

/** The same, while the next server has been dialled and has not welcomed us. */
export function dialling(): Setting & { readonly old: Dialled } {
  const made = going();
  made.clock.advance(100);
  assert.is(made.cloud.dialled.length, 2);
  return made;
}
