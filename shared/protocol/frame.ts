import { Packr } from 'msgpackr';
import { OfframpError } from '../errors.ts';

/** The WebSocket subprotocol (RFC 6455 section 1.9) both sides must agree on. */
export const subprotocol = 'offramp.v1';

/** Frame types; the number is the low nibble of the second byte on the wire. */
export const frameTypes = {
  hello: 1,
  welcome: 2,
  infer: 3,
  result: 4,
  error: 5,
  goaway: 6,
  alarms: 7,
} as const;

export type FrameType = keyof typeof frameTypes;

/** One WebSocket binary message, taken apart. `header` is unchecked: pass it through the message's own parser. */
export interface Frame {
  readonly type: FrameType;
  /** Matches a result or error to its request; 0 when the frame concerns the connection. */
  readonly id: number;
  readonly header: unknown;
  /** A view into the message, 8-byte aligned relative to its start. */
  readonly payload: Uint8Array;
}

const magic = 0x4f;
const version = 1;
const fixedBytes = 8;
const alignment = 8;
/** A header is a handful of small fields; anything longer is refused before it is decoded. */
export const maxHeaderBytes = 16 * 1024;
export const maxRequestId = 0xffff_ffff;

const typeNames: ReadonlyMap<number, FrameType> = new Map(
  (Object.keys(frameTypes) as FrameType[]).map((name) => [frameTypes[name], name]),
);

const packr = new Packr({ useRecords: false, variableMapSize: true });
const empty = new Uint8Array(0);

/**
 * Builds one frame, little-endian:
 * ```
 * byte 0     0x4f ('O')
 * byte 1     version (high nibble, 1) and type (low nibble)
 * bytes 2-3  length of the header map in bytes, without padding
 * bytes 4-7  request id
 * bytes 8-   header: one MessagePack map, zero-padded so that the payload starts at a multiple of 8
 * then       payload
 * ```
 */
export function encodeFrame(
  type: FrameType,
  id: number,
  header: Readonly<Record<string, unknown>>,
  payload: Uint8Array = empty,
): Uint8Array<ArrayBuffer> {
  const map = packr.pack(header);
  if (map.length > maxHeaderBytes) {
    throw new OfframpError(
      'FRAME_INVALID',
      `The header of a ${type} frame takes ${map.length} bytes, at most ${maxHeaderBytes} are allowed`,
    );
  }
  const payloadAt = align(fixedBytes + map.length);
  const bytes = new Uint8Array(payloadAt + payload.length);
  bytes[0] = magic;
  bytes[1] = (version << 4) | frameTypes[type];
  bytes[2] = map.length & 0xff;
  bytes[3] = map.length >>> 8;
  new DataView(bytes.buffer).setUint32(4, id, true);
  bytes.set(map, fixedBytes);
  bytes.set(payload, payloadAt);
  return bytes;
}

/**
 * Takes one message apart. Nothing of it is trusted: the fixed part, the header's length and its padding are checked here,
 * the header's fields by the parser of its message.
 * @throws OfframpError FRAME_INVALID, or PROTOCOL_UNSUPPORTED for another version.
 */
export function decodeFrame(message: Uint8Array): Frame {
  if (message.length < fixedBytes) {
    throw invalid(`a message of ${message.length} bytes, a frame has at least ${fixedBytes}`);
  }
  const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
  const first = view.getUint8(0);
  if (first !== magic) throw invalid(`first byte 0x${hex(first)}, expected 0x${hex(magic)}`);
  const second = view.getUint8(1);
  if (second >>> 4 !== version) {
    throw new OfframpError(
      'PROTOCOL_UNSUPPORTED',
      `The peer speaks frame version ${second >>> 4}, this side ${version}; update the older of the two`,
    );
  }
  const type = typeNames.get(second & 0x0f);
  if (type === undefined) throw invalid(`unknown frame type ${second & 0x0f}`);
  const headerBytes = view.getUint16(2, true);
  if (headerBytes > maxHeaderBytes)
    throw invalid(`a header of ${headerBytes} bytes, at most ${maxHeaderBytes}`);
  const headerEnd = fixedBytes + headerBytes;
  const payloadAt = align(headerEnd);
  if (payloadAt > message.length) {
    throw invalid(`a header of ${headerBytes} bytes in a message of ${message.length} bytes`);
  }
  for (let at = headerEnd; at < payloadAt; at++) {
    if (message[at] !== 0) throw invalid('padding that is not zero');
  }
  return {
    type,
    id: view.getUint32(4, true),
    header: unpackHeader(message.subarray(fixedBytes, headerEnd)),
    payload: message.subarray(payloadAt),
  };
}

function unpackHeader(bytes: Uint8Array): unknown {
  try {
    return packr.unpack(bytes);
  } catch (cause) {
    throw new OfframpError('FRAME_INVALID', 'Malformed frame: the header is not one MessagePack value', {
      cause,
    });
  }
}

function invalid(got: string): OfframpError {
  return new OfframpError('FRAME_INVALID', `Malformed frame: ${got}`);
}

function align(length: number): number {
  return Math.ceil(length / alignment) * alignment;
}

function hex(byte: number): string {
  return byte.toString(16).padStart(2, '0');
}
