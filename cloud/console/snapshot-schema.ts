import Type, { type Static } from 'typebox';

/** What `GET /v1/console` answers; the page is made of the same types. Everything in it is bounded, see `snapshot.ts`. */

const count = (description: string) => Type.Integer({ minimum: 0, description });
const nullableMs = Type.Union([Type.Number({ minimum: 0 }), Type.Null()], {
  description: 'milliseconds, off by a tenth at most; null where there was nothing',
});
const counts = (description: string) => Type.Array(Type.Integer({ minimum: 0 }), { description });

const refusals = Type.Array(
  Type.Object({ code: Type.String({ description: 'a code of docs/errors.md' }), count: count('times') }),
  { description: 'refusals by code, the most frequent first' },
);

const stage = Type.Object({ count: count('measurements'), p50Ms: nullableMs, p95Ms: nullableMs });

const minute = Type.Object(
  {
    rows: count('rows answered'),
    depthCutRows: count('rows that left by an exit which was not sure, for want of time'),
    exits: counts('rows by the exit that they left by'),
    batchRows: Type.Array(
      Type.Object({ atMost: count('rows; more than half as many'), batches: count('batches of that size') }),
    ),
    refusals,
    stages: Type.Object({ queue: stage, run: stage, decode: stage }),
  },
  { description: 'the last 60 seconds' },
);

const total = Type.Object(
  {
    rows: count('rows answered'),
    depthCutRows: count('of them for want of time'),
    exits: counts('rows by exit'),
    refusals,
  },
  { description: 'since the start' },
);

const share = (description: string) => Type.Number({ minimum: 0, maximum: 1, description });

const alarm = Type.Object({
  bundle: Type.String({ description: 'id of the bundle that is watched' }),
  watch: Type.Union([Type.Literal('audits'), Type.Literal('exit-share')], {
    description: 'audits: the cloud disagrees too often; exit-share: another share is sure on the device',
  }),
  seen: share('share of audits with another answer, or of images that are sure'),
  expected: share('what of it the calibration allows, or had'),
  thresholdScale: share("what the device's thresholds are multiplied with"),
});

const device = Type.Object({
  agent: Type.String({ description: 'name and version, as its hello says' }),
  client: Type.String({ description: "name of its certificate's or token's holder" }),
  address: Type.String({ description: 'without the port' }),
  bundles: Type.Array(Type.String(), { description: 'ids that its hello names, the first few' }),
  bundleCount: count('how many it names'),
  alarms: Type.Array(alarm, { description: 'raised by its watches and not taken back' }),
  cutRows: counts('rows answered in the last minute, by the cut that they came in at'),
  exitRows: counts('the same by exit'),
  requestsPerSecond: Type.Number({ minimum: 0, description: 'mean of the last minute' }),
  inFlight: count('requests without an answer'),
  credits: count('requests that it may have in flight'),
  connectedSeconds: count('age of the connection'),
});

const lane = Type.Object({
  bundle: Type.String(),
  digest: Type.String({ description: 'first digits' }),
  cut: count('cut that its rows come in at'),
  way: Type.Union([Type.Literal('cascade'), Type.Literal('segment')]),
  waitingRows: count('rows that wait'),
  waitingRequests: count('requests that wait'),
  oldestWaitMs: count('how long the oldest of them has waited'),
  underWay: count('requests that wait or run'),
  priorities: Type.Array(Type.Object({ priority: count('1 is served first'), rows: count('rows') }), {
    description: 'what waits by priority',
  }),
});

const bundle = Type.Object({
  id: Type.String(),
  title: Type.String(),
  version: Type.String(),
  digest: Type.String(),
  state: Type.Union([Type.Literal('serving'), Type.Literal('loading'), Type.Literal('leaving')]),
  exits: Type.Array(Type.String(), { description: 'names of its exits, by depth' }),
  devices: count('connected devices that run this version'),
});

const history = Type.Object(
  {
    firstSecond: count('seconds since the start of the server'),
    rows: counts('rows answered'),
    batches: counts('batches'),
    refusals: counts('refusals'),
    queueP95Ms: Type.Array(nullableMs),
    exits: Type.Array(counts('rows of an exit')),
  },
  { description: 'up to five minutes, an element for each second that is over' },
);

const limits = Type.Object(
  {
    maxConnections: count('devices'),
    credits: count('requests in flight of a connection'),
    requestsPerSecond: count('on a connection'),
    maxBatchRows: count('rows'),
    maxQueuedRows: count('rows'),
    maxImageBytes: count('bytes of a picture'),
    maxHttpRequests: count('under way at once'),
    drainMs: count('milliseconds'),
  },
  { description: 'the limits that fill first' },
);

/** TypeBox schema of the snapshot; a JSON Schema as it stands. */
export const consoleSnapshot = Type.Object(
  {
    atMs: count('the time on the server, milliseconds since 1970'),
    uptimeSeconds: Type.Number({ minimum: 0 }),
    version: Type.String(),
    state: Type.Union([Type.Literal('serving'), Type.Literal('draining'), Type.Literal('failed')]),
    problem: Type.Union([Type.String(), Type.Null()], { description: 'why nothing can be computed now' }),
    provider: Type.String({ description: 'where segments really run' }),
    executors: count('runs that proceed at the same time'),
    mayChange: Type.Boolean({ description: 'whether this caller may load, unload and drain' }),
    repository: Type.Union([Type.Array(Type.String()), Type.Null()], {
      description: 'bundles that could be loaded; null where there is no repository, or for who may not',
    }),
    load: Type.Object({
      queuedRows: count('rows that wait for an executor'),
      runningRows: count('rows being computed'),
      undecodedRows: count('pictures that are not decoded yet'),
      connections: count('open connections, hello said or not'),
    }),
    minute,
    total,
    devices: Type.Object({
      count: count('devices connected'),
      alarmed: count('of them with an alarm'),
      busiest: Type.Array(device, { description: 'those with an alarm first' }),
    }),
    lanes: Type.Object({ count: count('lanes known'), busiest: Type.Array(lane) }),
    bundles: Type.Array(bundle),
    history,
    limits,
  },
  { description: 'what the server does now, and did in the last minutes' },
);

type Immutable<T> = T extends readonly (infer Item)[]
  ? readonly Immutable<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: Immutable<T[Key]> }
    : T;

/** The schema's type, of which nobody changes anything. */
export type ConsoleSnapshot = Immutable<Static<typeof consoleSnapshot>>;
export type ConsoleAlarm = Immutable<Static<typeof alarm>>;
export type ConsoleBundle = Immutable<Static<typeof bundle>>;
export type ConsoleDevice = Immutable<Static<typeof device>>;
export type ConsoleHistory = Immutable<Static<typeof history>>;
export type ConsoleLane = Immutable<Static<typeof lane>>;
