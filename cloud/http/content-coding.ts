import { promisify } from 'node:util';
import { deflate, gunzip, gzip, inflate } from 'node:zlib';
import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** Content codings of RFC 9110 section 8.4.1 that bodies may have; deflate is the zlib format. */
export type Coding = 'deflate' | 'gzip';

const decoders = { deflate: promisify(inflate), gzip: promisify(gunzip) };
const encoders = { deflate: promisify(deflate), gzip: promisify(gzip) };
/** Less is not worth it: a packet holds it either way. */
const minEncodedBytes = 1024;
/** Answers are logits, which hardly get smaller: speed counts. */
const level = 1;

/**
 * The coding that a `Content-Encoding` header names; `undefined` for none.
 * @throws OfframpError INFERENCE_INVALID for any but gzip, deflate and identity.
 */
export function codingOf(header: string | undefined): Coding | undefined {
  const name = header?.trim().toLowerCase() ?? 'identity';
  if (name === 'identity' || name === '') return undefined;
  if (name === 'gzip' || name === 'x-gzip') return 'gzip';
  if (name === 'deflate') return 'deflate';
  throw new OfframpError(
    'INFERENCE_INVALID',
    `Content-Encoding '${name.slice(0, 64)}', expected gzip or deflate`,
  );
}

/**
 * Unpacks a body off this thread; stops at `maxBytes`, whatever the body claims.
 * @throws OfframpError INFERENCE_INVALID, REQUEST_TOO_LARGE.
 */
export async function decodeBody(body: Uint8Array, coding: Coding, maxBytes: number): Promise<Uint8Array> {
  try {
    return await decoders[coding](body, { maxOutputLength: maxBytes });
  } catch (cause) {
    if (cause instanceof RangeError) {
      const message = `The body is larger than ${maxBytes} bytes once it is unpacked`;
      throw new OfframpError('REQUEST_TOO_LARGE', message, { cause });
    }
    const message = `The body of ${body.length} bytes is not what Content-Encoding ${coding} says: ${reasonOf(cause)}`;
    throw new OfframpError('INFERENCE_INVALID', message, { cause });
  }
}

/** Packs an answer off this thread. */
export async function encodeBody(body: Uint8Array, coding: Coding): Promise<Uint8Array> {
  return encoders[coding](body, { level });
}

/** The coding for an answer of `bytes` bytes by the caller's `Accept-Encoding`; `undefined` for none. */
export function acceptedCoding(header: string | undefined, bytes: number): Coding | undefined {
  if (header === undefined || bytes < minEncodedBytes) return undefined;
  const weights = new Map(header.toLowerCase().split(',').map(weightOf));
  const weight = (name: string) => weights.get(name) ?? weights.get('*') ?? 0;
  const best = weight('deflate') > weight('gzip') ? 'deflate' : 'gzip';
  return weight(best) > 0 && weight(best) >= (weights.get('identity') ?? 0) ? best : undefined;
}

/** A member of the list and its `q`, which is 1 unless it is given (RFC 9110 section 12.4.2). */
function weightOf(member: string): [name: string, weight: number] {
  const [name = '', ...parameters] = member.split(';').map((part) => part.trim());
  const given = parameters.find((parameter) => parameter.startsWith('q='));
  const weight = given === undefined ? 1 : Number(given.slice(2));
  return [name, Number.isFinite(weight) ? weight : 0];
}
