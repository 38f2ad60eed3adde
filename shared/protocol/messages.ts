import Type, { type Static } from 'typebox';
import { type ErrorCode, isErrorCode, OfframpError } from '../errors.ts';
import { formatTraceparent, parseTraceparent, type TraceParent, traceparentLength } from '../trace/index.ts';
import { encodeFrame, type Frame } from './frame.ts';
import { parserOf } from './header-parser.ts';
import { type PictureFormat, pictureFormats } from './pictures.ts';

const maxRetryAfterMs = 3_600_000;
const maxBudgetMs = 0xffff_ffff;
const strict = { additionalProperties: false } as const;
const text = (maxLength: number) => Type.String({ maxLength });
const count = (maximum: number) => Type.Integer({ minimum: 0, maximum });

const bundleClaim = Type.Object(
  { id: text(64), digest: Type.String({ pattern: '^[0-9a-f]{64}$' }) },
  { ...strict, description: 'A bundle by name and by the SHA-256 of its manifest.' },
);

const micros = Type.Integer({ minimum: 0, maximum: 2 ** 40 });

const bundleRun = Type.Object(
  { cut: count(63), exit: count(63), fixedMicros: micros, perRowMicros: micros },
  {
    ...strict,
    description:
      'What a batch takes that comes in at a cut and goes no deeper than an exit: fixed + rows x each.',
  },
);

const servedBundle = Type.Object(
  { ...bundleClaim.properties, runs: Type.Optional(Type.Array(bundleRun, { minItems: 1, maxItems: 256 })) },
  strict,
);

const helloSchema = Type.Object(
  {
    agent: text(128),
    token: Type.Optional(text(512)),
    bundles: Type.Array(bundleClaim, { minItems: 1, maxItems: 64 }),
  },
  strict,
);

const loadSchema = Type.Object(
  { queuedRows: count(1e9), runningRows: count(1e9) },
  { ...strict, description: 'What waits and what runs on the server, in rows.' },
);

const welcomeSchema = Type.Object(
  {
    server: text(128),
    bundles: Type.Array(servedBundle, { minItems: 1, maxItems: 64 }),
    credits: Type.Integer({ minimum: 1, maximum: 65_536 }),
    maxFrameBytes: Type.Integer({ minimum: 64, maximum: 2 ** 31 }),
    maxImageBytes: Type.Optional(Type.Integer({ minimum: 1, maximum: 2 ** 31 })),
    heartbeatMs: Type.Integer({ minimum: 100, maximum: 600_000 }),
    load: loadSchema,
  },
  strict,
);

const inferSchema = Type.Object(
  {
    b: Type.Integer({ minimum: 0, maximum: 0xffff_ffff }),
    t: Type.Integer({ minimum: 0, maximum: maxBudgetMs }),
    c: Type.Optional(count(64)),
    f: Type.Optional(Type.Enum(pictureFormats)),
    r: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
    p: Type.Optional(Type.Integer({ minimum: 1, maximum: 64 })),
    x: Type.Optional(Type.String({ minLength: traceparentLength, maxLength: traceparentLength })),
    l: Type.Optional(
      Type.Array(Type.Integer({ minimum: 0, maximum: 2 ** 31 }), { minItems: 2, maxItems: 1024 }),
    ),
  },
  strict,
);

const resultSchema = Type.Object(
  {
    e: Type.Array(count(63), { minItems: 1, maxItems: 1024 }),
    q: Type.Integer({ minimum: 0, maximum: 2 ** 40 }),
    r: Type.Integer({ minimum: 0, maximum: 2 ** 40 }),
    n: Type.Integer({ minimum: 1, maximum: 1e6 }),
    w: count(1e9),
    d: Type.Optional(Type.Array(count(1023), { minItems: 1, maxItems: 1024 })),
  },
  strict,
);

const errorSchema = Type.Object(
  { code: text(64), message: text(2048), retryAfterMs: Type.Optional(count(maxRetryAfterMs)) },
  strict,
);

const goawaySchema = Type.Object({ reason: text(256) }, strict);

/** A bundle that a peer says it holds. */
export type BundleClaim = Static<typeof bundleClaim>;
/** What batches of a bundle take on a server. */
export type BundleRun = Static<typeof bundleRun>;
/** First frame of the device: who it is and exactly which bundles it runs. */
export type Hello = Static<typeof helloSchema>;
/** First frame of the server: what it accepts. `credits` bounds the requests in flight on this connection. */
export type Welcome = Static<typeof welcomeSchema>;
/** Rows waiting and rows being computed on the server. */
export type Load = Static<typeof loadSchema>;
/** The server stops taking work: finish what is in flight, send nothing new here. */
export type Goaway = Static<typeof goawaySchema>;

/** A request to finish `rows.length` images from `cut` on. */
export interface InferRequest {
  readonly id: number;
  /** First four bytes of the bundle's digest, see {@link bundleTag}. */
  readonly bundleTag: number;
  /** Number of segments that already ran on the device; 0 sends the image itself. */
  readonly cut: number;
  /** Channels of the codes that every row has, from the first on; all when absent. Not at cut 0. */
  readonly channels?: number;
  /** Milliseconds left for the answer, a duration and never a wall-clock time. */
  readonly budgetMs: number;
  /** 1 is served first; the server's default when absent. */
  readonly priority?: number;
  /** At cut 0: every row is a picture file of this format. Absent: raw pixels, uint8 [height, width, channels]. */
  readonly format?: PictureFormat;
  /** The span on the device that the server's belong to; only of a trace that is recorded. */
  readonly trace?: TraceParent;
  /** One codec stream (or, at cut 0, one image) per row. */
  readonly rows: readonly Uint8Array[];
}

/** The answer to an {@link InferRequest}, row by row in its order. */
export interface InferResult {
  readonly id: number;
  /** Index of the exit each row left by. */
  readonly exits: readonly number[];
  /** Uncalibrated logits of that exit, float32 [rows][classes]. */
  readonly logits: Float32Array;
  /** Time the request waited for an executor, microseconds. */
  readonly queueMicros: number;
  /** Time the batch it was part of took to compute, microseconds. */
  readonly runMicros: number;
  /** Rows of that batch. */
  readonly batchRows: number;
  /** Rows waiting on the server when the result left. */
  readonly queuedRows: number;
  /**
   * Rows, ascending, that left by an exit which was not sure of them, because a deeper one would have come too late. Absent
   * when there are none.
   */
  readonly depthCut?: readonly number[];
}

/** A failed request, or with id 0 a failed connection. */
export interface ErrorReply {
  readonly id: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export const parseHello = parserOf('hello', helloSchema);
export const parseWelcome = parserOf('welcome', welcomeSchema);
export const parseGoaway = parserOf('goaway', goawaySchema);
const parseInferHeader = parserOf('infer', inferSchema);
const parseResultHeader = parserOf('result', resultSchema);
const parseErrorHeader = parserOf('error', errorSchema);

/** The four digest bytes that name a bundle in every infer frame, so that a frame means the same on any replica. */
export function bundleTag(digest: string): number {
  return Number.parseInt(digest.slice(0, 8), 16);
}

export function encodeHello(hello: Hello): Uint8Array<ArrayBuffer> {
  return encodeFrame('hello', 0, hello);
}

export function encodeWelcome(welcome: Welcome): Uint8Array<ArrayBuffer> {
  return encodeFrame('welcome', 0, welcome);
}

export function encodeGoaway(reason: string): Uint8Array<ArrayBuffer> {
  return encodeFrame('goaway', 0, { reason: reason.slice(0, 256) });
}

export function encodeError(id: number, error: OfframpError): Uint8Array<ArrayBuffer> {
  const header = { code: error.code, message: error.message.slice(0, 512) };
  const retry =
    error.retryAfterMs === undefined
      ? {}
      : { retryAfterMs: Math.max(0, Math.min(maxRetryAfterMs, Math.ceil(error.retryAfterMs) || 0)) };
  return encodeFrame('error', id, { ...header, ...retry });
}

/** Encodes a request. The common one (one row, cut 1) costs 24 bytes before its payload. */
export function encodeInfer(request: InferRequest): Uint8Array<ArrayBuffer> {
  const header: Record<string, unknown> = {
    b: request.bundleTag,
    t: Math.min(maxBudgetMs, Math.max(0, Math.floor(request.budgetMs))),
  };
  if (request.cut !== 1) header.c = request.cut;
  if (request.format !== undefined) header.f = request.format;
  if (request.channels !== undefined) header.r = request.channels;
  if (request.priority !== undefined) header.p = request.priority;
  if (request.trace !== undefined) header.x = formatTraceparent(request.trace);
  const [only, ...more] = request.rows;
  if (only !== undefined && more.length === 0) return encodeFrame('infer', request.id, header, only);
  header.l = request.rows.map((row) => row.length);
  return encodeFrame('infer', request.id, header, concatenate(request.rows));
}

/** @throws OfframpError FRAME_INVALID when a field is off or the row lengths do not add up to the payload. */
export function parseInfer(frame: Frame): InferRequest {
  const { b, t, c, f, l, p, r, x } = parseInferHeader(frame.header);
  const cut = c ?? 1;
  const trace = x === undefined ? undefined : parseTraceparent(x);
  return {
    id: frame.id,
    bundleTag: b,
    cut,
    ...(r !== undefined && { channels: channelsAt(cut, r) }),
    budgetMs: t,
    ...(p !== undefined && { priority: p }),
    ...(trace !== undefined && { trace }),
    ...(f !== undefined && { format: formatAt(cut, f) }),
    rows: splitRows(frame.payload, l),
  };
}

function channelsAt(cut: number, channels: number): number {
  if (cut > 0) return channels;
  throw new OfframpError(
    'FRAME_INVALID',
    `Invalid infer frame: r is ${channels} at cut 0, where images are sent, expected it at a cut with codes`,
  );
}

function formatAt(cut: number, format: PictureFormat): PictureFormat {
  if (cut === 0) return format;
  throw new OfframpError(
    'FRAME_INVALID',
    `Invalid infer frame: f is '${format}' at cut ${cut}, where codes are sent, expected it at cut 0`,
  );
}

export function encodeResult(result: InferResult): Uint8Array<ArrayBuffer> {
  const { logits } = result;
  const header = {
    e: result.exits,
    q: Math.round(result.queueMicros),
    r: Math.round(result.runMicros),
    n: result.batchRows,
    w: result.queuedRows,
    ...(result.depthCut !== undefined && result.depthCut.length > 0 && { d: result.depthCut }),
  };
  return encodeFrame(
    'result',
    result.id,
    header,
    new Uint8Array(logits.buffer, logits.byteOffset, logits.byteLength),
  );
}

/**
 * @param classes number of classes of the bundle, for the shape of the logits.
 * @throws OfframpError FRAME_INVALID when a field, the payload's length or a logit is off.
 */
export function parseResult(frame: Frame, classes: number): InferResult {
  const { e, q, r, n, w, d } = parseResultHeader(frame.header);
  const expected = e.length * classes * 4;
  if (frame.payload.length !== expected) {
    throw new OfframpError(
      'FRAME_INVALID',
      `Invalid result frame: ${frame.payload.length} payload bytes, expected ${expected} for ${e.length} rows of ${classes} logits`,
    );
  }
  const logits = new Float32Array(ownBuffer(frame.payload));
  if (!logits.every(Number.isFinite)) {
    throw new OfframpError('FRAME_INVALID', 'Invalid result frame: a logit that is not finite');
  }
  return {
    ...{ id: frame.id, exits: e, logits, queueMicros: q, runMicros: r, batchRows: n, queuedRows: w },
    ...(d !== undefined && { depthCut: depthCutOf(d, e.length) }),
  };
}

function depthCutOf(places: readonly number[], rows: number): readonly number[] {
  const odd = places.find((place, index) => place >= rows || place <= (places[index - 1] ?? -1));
  if (odd === undefined) return places;
  throw new OfframpError(
    'FRAME_INVALID',
    `Invalid result frame: d names row ${odd}, expected rows below ${rows} in ascending order`,
  );
}

/** An unknown code from a newer peer is kept as INTERNAL with its words. */
export function parseError(frame: Frame): ErrorReply {
  const { code, message, retryAfterMs } = parseErrorHeader(frame.header);
  if (isErrorCode(code)) return { id: frame.id, code, message, retryAfterMs };
  return { id: frame.id, code: 'INTERNAL', message: `${code}: ${message}`, retryAfterMs };
}

function splitRows(payload: Uint8Array, lengths: readonly number[] | undefined): Uint8Array[] {
  if (lengths === undefined) return [payload];
  const total = lengths.reduce((sum, length) => sum + length, 0);
  if (total !== payload.length) {
    throw new OfframpError(
      'FRAME_INVALID',
      `Invalid infer frame: row lengths add up to ${total} bytes, the payload has ${payload.length}`,
    );
  }
  let at = 0;
  return lengths.map((length) => {
    at += length;
    return payload.subarray(at - length, at);
  });
}

function concatenate(rows: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(rows.reduce((sum, row) => sum + row.length, 0));
  let at = 0;
  for (const row of rows) {
    joined.set(row, at);
    at += row.length;
  }
  return joined;
}

/** Messages arrive at any address and pin their socket buffer: the few logits get memory of their own. */
function ownBuffer(bytes: Uint8Array): ArrayBuffer {
  // Not slice(): a Node Buffer's slice is a view of the same memory.
  return new Uint8Array(bytes).buffer;
}
