import type { IncomingMessage } from 'node:http';
import { OfframpError } from '../../shared/errors.ts';

/**
 * Receives a body of at most `maxBytes` bytes.
 * @throws OfframpError REQUEST_TOO_LARGE as soon as it is known, CONNECTION_LOST, or the signal's reason.
 */
export function readBody(
  request: IncomingMessage,
  maxBytes: number,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let received = 0;
    const settle = (act: () => void) => {
      request.off('data', onData).off('end', onEnd).off('error', onError).off('close', onError);
      signal.removeEventListener('abort', onAbort);
      act();
    };
    const onData = (chunk: Buffer) => {
      received += chunk.length;
      if (received > maxBytes) settle(() => reject(tooLarge(maxBytes)));
      else chunks.push(chunk);
    };
    const onEnd = () => settle(() => resolve(Buffer.concat(chunks, received)));
    const onError = () =>
      settle(() =>
        reject(new OfframpError('CONNECTION_LOST', 'The caller left in the middle of its request')),
      );
    const onAbort = () => settle(() => reject(signal.reason));
    if (signal.aborted) return onAbort();
    if (request.destroyed) return onError();
    if (declaredBytes(request) > maxBytes) return reject(tooLarge(maxBytes));
    request.on('data', onData).on('end', onEnd).on('error', onError).on('close', onError);
    signal.addEventListener('abort', onAbort, { once: true });
  });
}

/** What `Content-Length` says; 0 when it says nothing, for a body in chunks or none at all. */
export function declaredBytes({ headers }: Pick<IncomingMessage, 'headers'>): number {
  return Number(headers['content-length'] ?? 0);
}

function tooLarge(maxBytes: number): OfframpError {
  return new OfframpError('REQUEST_TOO_LARGE', `The body is larger than ${maxBytes} bytes`);
}
