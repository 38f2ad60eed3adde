import { type ErrorCode, errorKind, isErrorCode, OfframpError } from '../../shared/errors.ts';
import { ChunkReader } from './chunks.ts';
import type { Reply } from './exchange.ts';

const codes: Readonly<Record<number, ErrorCode>> = {
  400: 'REQUEST_INVALID',
  401: 'UNAUTHORIZED',
  403: 'FORBIDDEN',
  404: 'NOT_FOUND',
  405: 'METHOD_NOT_ALLOWED',
  408: 'REQUEST_TIMEOUT',
  413: 'REQUEST_TOO_LARGE',
  422: 'REQUEST_INVALID',
  429: 'RATE_LIMITED',
  501: 'NOT_SUPPORTED',
  502: 'CLOUD_UNREACHABLE',
  503: 'BUSY',
  504: 'BUDGET_SPENT',
};
const maxReadBytes = 64 * 1024;
const maxMessageChars = 500;
const maxRetryAfterSeconds = 3600;

/**
 * What a server has refused with, as an error of ours: the code by the status, or the server's own where it is one of ours and
 * of that status, and the server's words.
 * @param what was asked for, for the message.
 */
export function refusalOf(reply: Reply, what: string): OfframpError {
  const { status, headers } = reply;
  const said = bodyOf(reply);
  const { error } = said;
  const code =
    statedCode(said, status) ?? codes[status] ?? (status >= 500 ? 'RUNTIME_FAILED' : 'RESPONSE_INVALID');
  const seconds = Number(headers['retry-after']);
  const retryAfterMs = Math.min(maxRetryAfterSeconds, seconds) * 1000;
  const message = `${what}: HTTP ${status}, ${wordsOf(error ?? said.detail ?? said.text)}`;
  return new OfframpError(code, message, seconds >= 0 ? { retryAfterMs } : {});
}

interface Said {
  readonly error?: unknown;
  readonly code?: unknown;
  /** Where FastAPI, which several servers are made of, puts it. */
  readonly detail?: unknown;
  /** A body that is no JSON object. */
  readonly text?: string;
}

function bodyOf({ chunks }: Reply): Said {
  const reader = new ChunkReader(chunks);
  const bytes = new Uint8Array(Math.min(reader.left, maxReadBytes));
  reader.read(bytes);
  const text = new TextDecoder().decode(bytes);
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // Not everybody between us and the server speaks JSON.
  }
  return { text };
}

/** Servers of ours say their code; it counts where it means the same to HTTP. */
function statedCode({ error, code }: Said, status: number): ErrorCode | undefined {
  const inner = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  const stated = code ?? inner;
  if (typeof stated !== 'string' || !isErrorCode(stated)) return undefined;
  return errorKind(stated).httpStatus === status ? stated : undefined;
}

/** A server's words on one line, for a message of ours. */
function wordsOf(said: unknown): string {
  const inner = typeof said === 'object' && said !== null && 'message' in said ? said.message : said;
  const text = typeof inner === 'string' ? inner : (JSON.stringify(inner) ?? '');
  const line = text.replace(/[\p{C}\s]+/gu, ' ').trim();
  if (line === '') return 'without a word';
  return line.length > maxMessageChars ? `${line.slice(0, maxMessageChars)}...` : line;
}
