/** Bounds of the inference protocol over HTTP. */
export interface HttpLimits {
  /** For an answer, when a request names no `timeout`. */
  readonly httpBudgetMs: number;
  /** Rows of one request; those beyond a batch are computed in several. */
  readonly maxHttpRows: number;
  /** Bytes of one request's tensors, in or out; a single row may always come. */
  readonly maxHttpTensorBytes: number;
  /** Requests being received, computed or sent at the same time; beyond it BUSY. */
  readonly maxHttpRequests: number;
  /** Bytes that the bodies of all of them may have together; beyond it BUSY. */
  readonly maxHttpHeldBytes: number;
}

export const defaultHttpLimits: HttpLimits = {
  httpBudgetMs: 10_000,
  maxHttpRows: 1024,
  maxHttpTensorBytes: 8 * 1024 * 1024,
  maxHttpRequests: 256,
  maxHttpHeldBytes: 256 * 1024 * 1024,
};

/** Longest `timeout` that a request may name. */
export const maxBudgetMs = 600_000;
/** JSON is parsed and written in one go on the thread that owns the sockets. */
export const maxJsonBytes = 1024 * 1024;
export const maxJsonNumbers = 65_536;
