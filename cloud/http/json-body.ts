import { OfframpError, reasonOf } from '../../shared/errors.ts';

/** A request needs 8: the object, its inputs, one of them, and the data of a tensor of rank 4. */
export const maxJsonDepth = 32;

const quote = 0x22;
const backslash = 0x5c;
/** By byte, how an unquoted one changes the depth. */
const depthSteps = new Int8Array(256);
for (const bracket of '[{') depthSteps[bracket.charCodeAt(0)] = 1;
for (const bracket of ']}') depthSteps[bracket.charCodeAt(0)] = -1;

/**
 * Parses JSON of a stranger: UTF-8 without errors, nested at most {@link maxJsonDepth} deep. A key `__proto__` becomes a member
 * like any other.
 * @throws OfframpError INFERENCE_INVALID.
 */
export function parseJson(bytes: Uint8Array): unknown {
  if (depthOf(bytes) > maxJsonDepth) {
    throw new OfframpError('INFERENCE_INVALID', `The JSON is nested deeper than ${maxJsonDepth} levels`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    // The parser's own words quote the text, and with it whatever the peer has sent.
    const reason = cause instanceof SyntaxError ? 'no JSON' : reasonOf(cause);
    throw new OfframpError(
      'INFERENCE_INVALID',
      `Got ${bytes.length} bytes that are ${reason}, expected JSON`,
      {
        cause,
      },
    );
  }
}

/** How deep brackets are nested, those in strings left out; a bound before anything is built. */
function depthOf(bytes: Uint8Array): number {
  let depth = 0;
  let deepest = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (inString) {
      if (byte === backslash) at++;
      else if (byte === quote) inString = false;
    } else if (byte === quote) inString = true;
    else depth += depthSteps[byte] ?? 0;
    if (depth > deepest) deepest = depth;
  }
  return deepest;
}
