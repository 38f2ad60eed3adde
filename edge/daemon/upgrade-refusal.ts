import type { IncomingMessage } from 'node:http';
import { type ErrorCode, isErrorCode, OfframpError } from '../../shared/errors.ts';

/** A refusal is some hundred bytes; more is not from a server of ours. */
const mostBytes = 4096;

/**
 * Why a server answered the request for a WebSocket with something else: its own words where it is one of ours, else by the status.
 * Resolves when the body has ended, or is longer than any of ours.
 */
export async function upgradeRefusal(response: IncomingMessage): Promise<OfframpError> {
  const { statusCode: status = 0 } = response;
  const text = await readSome(response);
  const { code, message } = wordsOf(text);
  if (code !== undefined) return new OfframpError(code, message);
  return new OfframpError(
    'CLOUD_UNREACHABLE',
    `Got HTTP status ${status}, expected an Offramp server's WebSocket`,
  );
}

async function readSome(response: IncomingMessage): Promise<string> {
  let text = '';
  try {
    for await (const chunk of response.setEncoding('latin1')) {
      text += chunk;
      if (text.length > mostBytes) break;
    }
  } catch {
    // What came before it broke off may still say why.
  }
  return Buffer.from(text, 'latin1').toString();
}

function wordsOf(text: string): { readonly code?: ErrorCode; readonly message: string } {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return { message: '' };
  }
  const error = fieldOf(body, 'error');
  const [named, message] = [fieldOf(error, 'code'), fieldOf(error, 'message')];
  const code = typeof named === 'string' && isErrorCode(named) ? named : undefined;
  return { ...(code !== undefined && { code }), message: typeof message === 'string' ? message : '' };
}

function fieldOf(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, key) : undefined;
}
