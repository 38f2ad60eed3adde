/**
 * Every failure a peer, a caller or an operator can meet, in one table. The codes are stable: they are written on the
 * wire, in HTTP bodies and in logs, and documented in docs/errors.md.
 */

interface ErrorKind {
  /** HTTP status of a response that carries this error. */
  readonly httpStatus: number;
  /** WebSocket close code (RFC 6455 section 7.4) when the connection cannot go on; absent when only one request fails. */
  readonly closeCode?: number;
  /** Whether the same request may succeed later, without change, on this or another server. */
  readonly retryable: boolean;
}

const table = {
  // Bundles
  BUNDLE_NOT_FOUND: { httpStatus: 404, closeCode: 4404, retryable: false },
  BUNDLE_MANIFEST_INVALID: { httpStatus: 500, retryable: false },
  BUNDLE_FILE_MISSING: { httpStatus: 500, retryable: false },
  BUNDLE_FILE_CORRUPT: { httpStatus: 500, retryable: false },
  BUNDLE_DIGEST_MISMATCH: { httpStatus: 409, closeCode: 4409, retryable: false },
  BUNDLE_GRAPH_MISMATCH: { httpStatus: 500, retryable: false },
  // Codes and tensors
  CODES_INVALID: { httpStatus: 400, retryable: false },
  CODES_CORRUPT: { httpStatus: 400, retryable: false },
  TENSOR_INVALID: { httpStatus: 400, retryable: false },
  // Protocol
  FRAME_INVALID: { httpStatus: 400, closeCode: 4400, retryable: false },
  FRAME_TOO_LARGE: { httpStatus: 413, closeCode: 1009, retryable: false },
  HELLO_INVALID: { httpStatus: 400, closeCode: 4400, retryable: false },
  HELLO_TIMEOUT: { httpStatus: 408, closeCode: 4408, retryable: true },
  PROTOCOL_UNSUPPORTED: { httpStatus: 426, closeCode: 4426, retryable: false },
  REQUEST_TIMEOUT: { httpStatus: 408, closeCode: 4408, retryable: true },
  REQUEST_INVALID: { httpStatus: 400, retryable: false },
  TLS_HANDSHAKE_FAILED: { httpStatus: 400, retryable: false },
  UNAUTHORIZED: { httpStatus: 401, closeCode: 4401, retryable: false },
  FORBIDDEN: { httpStatus: 403, closeCode: 4403, retryable: false },
  ORIGIN_REFUSED: { httpStatus: 403, retryable: false },
  CUT_UNSUPPORTED: { httpStatus: 400, retryable: false },
  RATE_UNSUPPORTED: { httpStatus: 400, retryable: false },
  CREDIT_EXCEEDED: { httpStatus: 429, retryable: true },
  DUPLICATE_REQUEST: { httpStatus: 409, closeCode: 4400, retryable: false },
  SLOW_PEER: { httpStatus: 408, closeCode: 1008, retryable: true },
  TOO_MANY_CONNECTIONS: { httpStatus: 503, closeCode: 1013, retryable: true },
  RATE_LIMITED: { httpStatus: 429, retryable: true },
  // Serving
  BUSY: { httpStatus: 503, retryable: true },
  BUDGET_SPENT: { httpStatus: 504, retryable: false },
  DEPTH_CUT: { httpStatus: 503, retryable: true },
  DRAINING: { httpStatus: 503, retryable: true },
  // The device's view of its uplink
  CLOUD_UNREACHABLE: { httpStatus: 502, retryable: true },
  CONNECTION_LOST: { httpStatus: 502, retryable: true },
  LINK_SLOW: { httpStatus: 504, retryable: true },
  // Requests and images
  BUDGET_INVALID: { httpStatus: 400, retryable: false },
  IMAGE_INVALID: { httpStatus: 400, retryable: false },
  IMAGE_TOO_LARGE: { httpStatus: 413, retryable: false },
  IMAGE_MISSING: { httpStatus: 400, retryable: false },
  INFERENCE_INVALID: { httpStatus: 400, retryable: false },
  REQUEST_TOO_LARGE: { httpStatus: 413, retryable: false },
  // Runtime
  PROVIDER_UNAVAILABLE: { httpStatus: 500, retryable: false },
  RUNTIME_FAILED: { httpStatus: 500, retryable: true },
  RUNTIME_STOPPED: { httpStatus: 503, retryable: true },
  RESPONSE_INVALID: { httpStatus: 502, retryable: true },
  // Operators
  TARGET_UNREACHABLE: { httpStatus: 409, retryable: false },
  CONFIG_INVALID: { httpStatus: 500, retryable: false },
  PORT_IN_USE: { httpStatus: 500, retryable: false },
  DATA_MISSING: { httpStatus: 500, retryable: false },
  DATA_CORRUPT: { httpStatus: 500, retryable: false },
  DOWNLOAD_FAILED: { httpStatus: 502, retryable: true },
  NOT_FOUND: { httpStatus: 404, retryable: false },
  METHOD_NOT_ALLOWED: { httpStatus: 405, retryable: false },
  NOT_SUPPORTED: { httpStatus: 501, retryable: false },
  INTERNAL: { httpStatus: 500, retryable: true },
} as const satisfies Record<string, ErrorKind>;

/** A stable error code, as sent on the wire and in HTTP bodies. */
export type ErrorCode = keyof typeof table;

/** All codes, in the table's order. */
export const errorCodes: readonly ErrorCode[] = Object.keys(table) as ErrorCode[];

/** Looks up what a code means for HTTP, for the connection, and for a retry. */
export function errorKind(code: ErrorCode): ErrorKind {
  return table[code];
}

/** Whether a string received from a peer is one of our codes. */
export function isErrorCode(text: string): text is ErrorCode {
  return Object.hasOwn(table, text);
}

/** The words of anything thrown, for the message of the error that is made of it. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

export interface OfframpErrorOptions {
  /** The error that led to this one. */
  readonly cause?: unknown;
  /** Milliseconds after which a retry is worth while; sent to the peer with `BUSY` and `DRAINING`. */
  readonly retryAfterMs?: number;
}

/** The one error class of the project. `message` says what was got, what was expected and, where there is one, the mend. */
export class OfframpError extends Error {
  override readonly name = 'OfframpError';
  readonly code: ErrorCode;
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: OfframpErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get httpStatus(): number {
    return errorKind(this.code).httpStatus;
  }

  get closeCode(): number | undefined {
    return errorKind(this.code).closeCode;
  }

  /** Wraps anything thrown; an `OfframpError` passes through unchanged. */
  static from(thrown: unknown, code: ErrorCode = 'INTERNAL'): OfframpError {
    if (thrown instanceof OfframpError) return thrown;
    return new OfframpError(code, reasonOf(thrown), { cause: thrown });
  }
}
