import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { OfframpError } from '../../shared/errors.ts';
import type { RecordedStreams } from './recorded-streams.ts';

const millisecond = Type.Number({ minimum: 0 });
/** Ascending quantiles, from the least to the largest of what was measured. */
const quantiles = Type.Array(millisecond, { minItems: 1, maxItems: 1001 });

const profileSchema = Type.Object({
  schemaVersion: Type.Literal(1),
  bundle: Type.String({ minLength: 1 }),
  digest: Type.String({ pattern: '^[0-9a-f]{64}$' }),
  device: Type.Object({
    /** Of each segment, one image, [segments]. */
    segmentMs: Type.Array(quantiles, { minItems: 1 }),
    /** Softmax, entropy, decision and everything else around a run. */
    exitMs: quantiles,
    /** Codes to a stream of all channels, by cut from 1 on. */
    encodeMs: Type.Array(quantiles),
    /** Picture file to pixels. */
    prepareMs: quantiles,
    /** From the caller to the agent and back. */
    callMs: quantiles,
  }),
  cloud: Type.Object({
    segments: Type.Array(
      Type.Object({
        fixedMs: millisecond,
        perRowMs: millisecond,
        /** How many times as long as that line says. */
        spread: Type.Array(Type.Number({ exclusiveMinimum: 0 }), { minItems: 1, maxItems: 1001 }),
      }),
      { minItems: 1 },
    ),
    /** Picture file to pixels. */
    decodeMs: quantiles,
    /** Round trip over a link that takes no time, less queue and computation: sockets, frames, both loops. */
    aroundMs: quantiles,
  }),
  sizes: Type.Optional(
    Type.Object({
      split: Type.String(),
      /** How the pictures were encoded. */
      format: Type.String(),
      /** Bytes of each image, uint16 little-endian in base64, as all below. */
      picture: Type.String(),
      streams: Type.Array(
        Type.Object({
          cut: Type.Integer({ minimum: 1 }),
          channels: Type.Integer({ minimum: 1 }),
          bytes: Type.String(),
          /** Where fewer than all channels are sent: the exit that answers, and what; uint16 as the sizes. */
          ends: Type.Optional(Type.Object({ exits: Type.String(), labels: Type.String() })),
        }),
      ),
    }),
  ),
});

/** What a bundle costs on a device and on a server, as it was measured on one machine. */
export type CostProfile = Static<typeof profileSchema>;

/**
 * Reads a profile from JSON text; `file` names it in errors.
 * @throws OfframpError CONFIG_INVALID with the field.
 */
export function parseCostProfile(text: string, file: string): CostProfile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `${file} is not JSON, expected a profile of offramp profile`, {
      cause,
    });
  }
  const [error] = Value.Errors(profileSchema, json);
  if (error !== undefined) {
    const where = error.instancePath === '' ? 'the whole' : error.instancePath;
    throw new OfframpError(
      'CONFIG_INVALID',
      `${file}: ${where} ${error.message}, expected a profile of offramp profile`,
    );
  }
  const profile = Value.Parse(profileSchema, json);
  const [segments, served] = [profile.device.segmentMs.length, profile.cloud.segments.length];
  if (segments === served) return profile;
  const got = `${segments} segments of the device and ${served} of the cloud`;
  throw new OfframpError('CONFIG_INVALID', `${file}: got ${got}, expected as many of both`);
}

/** The text of a profile, every list of quantiles on a line of its own, to a tenth of a microsecond. */
export function profileText(document: object): string {
  const rounded = (_key: string, value: unknown) =>
    typeof value === 'number' ? Math.round(10_000 * value) / 10_000 : value;
  const text = JSON.stringify(document, rounded, 2);
  const oneLine = (list: string) => list.replace(/\s+/g, ' ').replace('[ ', '[').replace(' ]', ']');
  return `${text.replace(/\[[\s\d.,e+-]+\]/g, oneLine)}\n`;
}

export function recordedStreams({ sizes }: CostProfile): RecordedStreams | undefined {
  if (sizes === undefined) return undefined;
  return {
    split: sizes.split,
    picture: unpackWords(sizes.picture),
    streams: sizes.streams.map(({ cut, channels, bytes, ends }) => ({
      ...{ cut, channels, bytes: unpackWords(bytes) },
      ...(ends !== undefined && {
        ends: { exits: unpackWords(ends.exits), labels: unpackWords(ends.labels) },
      }),
    })),
  };
}

/** A number beyond what two bytes hold counts as the largest that they do. */
export function packWords(words: ArrayLike<number>): string {
  const packed = Buffer.alloc(2 * words.length);
  for (let index = 0; index < words.length; index++)
    packed.writeUInt16LE(Math.min(0xffff, words[index] ?? 0), 2 * index);
  return packed.toString('base64');
}

function unpackWords(base64: string): Uint16Array {
  const packed = Buffer.from(base64, 'base64');
  const words = new Uint16Array(packed.length >> 1);
  for (let index = 0; index < words.length; index++) words[index] = packed.readUInt16LE(2 * index);
  return words;
}
