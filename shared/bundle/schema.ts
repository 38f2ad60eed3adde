import Type, { type TSchema } from 'typebox';
import { lossKinds, riskMethods } from '../exits/index.ts';

/**
 * The schema of `manifest.json`. Descriptions are noun phrases that read on after "expected ...", because the error
 * messages of `parseManifest` and the table in docs/bundle.md are both made from them.
 */

const maximum = {
  segments: 16,
  classes: 4096,
  imageSide: 8192,
  codesChannels: 1024,
  codesSide: 1024,
  /** The protobuf limit of one ONNX file without external data. */
  fileBytes: 2 ** 31 - 1,
  images: 10_000_000,
  macs: 1e15,
  rates: 64,
} as const;

/** Most codes that one image may have at a cut; channels, rows and columns each have a limit of their own besides. */
export const maximumCodes = 2 ** 20;

function closed<Properties extends Record<string, TSchema>>(description: string, properties: Properties) {
  return Type.Object(properties, { description, additionalProperties: false });
}

function integer(description: string, minimum: number, most: number) {
  return Type.Integer({ description, minimum, maximum: most });
}

function share(description: string) {
  return Type.Number({ description: `${description}, 0 to 1`, minimum: 0, maximum: 1 });
}

function amount(description: string) {
  return Type.Number({ description: `${description}, at least 0`, minimum: 0, maximum: maximum.macs });
}

function words(description: string) {
  return Type.String({ description, minLength: 1, maxLength: 2000 });
}

function label(description: string) {
  return Type.String({
    description: `${description}: 1 to 64 lower-case letters, digits, dots and hyphens, a letter or digit first`,
    pattern: '^[a-z0-9][a-z0-9.-]{0,63}$',
  });
}

const fileFields = {
  file: Type.String({
    description:
      'a plain file name beside manifest.json: 1 to 100 letters, digits, dots, hyphens and underscores, a letter or digit first, no path',
    pattern: '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$',
  }),
  sha256: Type.String({
    description: "the SHA-256 of the file's bytes, 64 lower-case hex digits",
    pattern: '^[0-9a-f]{64}$',
  }),
  bytes: integer('the size of the file in bytes, at most 2 GiB', 1, maximum.fileBytes),
};

const imageSpec = closed('the image tensor, without the batch dimension', {
  name: Type.Literal('image', { description: 'the tensor name "image"' }),
  dtype: Type.Literal('uint8', { description: 'the element type "uint8"' }),
  shape: Type.Tuple(
    [
      integer('the height in pixels', 1, maximum.imageSide),
      integer('the width in pixels', 1, maximum.imageSide),
      integer('the number of colour channels', 1, 4),
    ],
    { description: 'height, width and colour channels' },
  ),
});

const codesShape = Type.Tuple(
  [
    integer('the number of channels', 1, maximum.codesChannels),
    integer('the number of rows', 1, maximum.codesSide),
    integer('the number of columns', 1, maximum.codesSide),
  ],
  { description: 'channels, rows and columns' },
);

const codesSpec = closed('the codes tensor, without the batch dimension', {
  name: Type.String({
    pattern: '^codes([2-9]|1[0-5])?$',
    description: 'the tensor name, "codes" at cut 1, "codes2" at cut 2 and so on',
  }),
  dtype: Type.Literal('uint8', { description: 'the element type "uint8"' }),
  shape: codesShape,
});

// One object instead of a union of the two above, so that an error names the field that is wrong; which of the two a
// segment must take depends on its place and is checked across fields.
const inputSpec = closed('the input tensor of the segment, without the batch dimension', {
  name: Type.String({
    pattern: '^(image|codes([2-9]|1[0-5])?)$',
    description:
      'the tensor name, "image" for the first segment and that of the codes received for the others',
  }),
  dtype: Type.Literal('uint8', { description: 'the element type "uint8"' }),
  shape: Type.Tuple(
    [
      integer('the first dimension', 1, maximum.imageSide),
      integer('the second dimension', 1, maximum.imageSide),
      integer('the third dimension', 1, maximum.imageSide),
    ],
    { description: 'the three dimensions' },
  ),
});

const logitsSpec = closed('the logits tensor, without the batch dimension', {
  name: Type.Literal('logits', { description: 'the tensor name "logits"' }),
  dtype: Type.Literal('float32', { description: 'the element type "float32"' }),
  shape: Type.Tuple([integer('the number of classes', 2, maximum.classes)], {
    description: 'the number of classes, as the only dimension',
  }),
});

const segment = closed(
  'one segment: layers with one input, a logits output and, but for the last, a codes output',
  {
    name: label('the name of the segment'),
    ...fileFields,
    input: inputSpec,
    logits: logitsSpec,
    codes: Type.Optional(codesSpec),
    macs: integer(
      'the multiply-accumulate operations of the segment per image, its head, encoder and decoder included',
      0,
      maximum.macs,
    ),
    parameters: integer('the number of parameters of the segment', 0, maximum.macs),
  },
);

const exit = closed('one exit: the classifier head at the end of a segment', {
  name: label('the name of the exit'),
  segment: label('the name of the segment that ends with this exit'),
  temperature: Type.Number({
    description: 'the temperature that divides the logits before the softmax, 0.01 to 100',
    minimum: 0.01,
    maximum: 100,
  }),
  threshold: Type.Optional(
    share('the normalised entropy below which an image leaves here, absent at the last exit'),
  ),
});

const tables = closed('the entropy coder tables of the cut', {
  ...fileFields,
  contexts: integer('the number of contexts, 64 per channel of the codes', 64, 64 * maximum.codesChannels),
  levels: integer('the number of values a code can have, 2 to the power of bits', 2, 256),
});

const rate = closed('one rate: how many channels of the codes are sent', {
  channels: integer('the number of channels sent, from the first on', 1, maximum.codesChannels),
  measured: closed('what sending every image of a split at this rate costs and reaches', {
    split: label('the name of the split that was sent'),
    images: integer('the number of images of that split', 1, maximum.images),
    bytesMean: amount('the mean length of the streams in bytes, checksums included'),
    bytesP95: amount('the length in bytes that 95 % of the streams do not exceed'),
    accuracy: share('the share of right answers of the last exit'),
  }),
});

const cut = closed('one cut between two segments', {
  after: label('the name of the segment whose codes cross this cut'),
  bits: integer('the number of bits of one code', 1, 8),
  tables: Type.Optional(tables),
  rates: Type.Optional(
    Type.Array(rate, {
      description: 'the rates that this cut may be sent at, 1 to 64, ascending, the last one all channels',
      minItems: 1,
      maxItems: maximum.rates,
    }),
  ),
});

const targetKinds = ['accuracy', 'agreement', 'device-share', 'mean-cost'] as const;

const risk = closed('the risk that the thresholds keep within bounds, absent where nothing is promised', {
  loss: Type.Enum([...lossKinds], { description: `what counts as a loss, one of ${lossKinds.join(', ')}` }),
  epsilon: Type.Number({
    description: 'the largest mean loss allowed, between 0 and 1',
    exclusiveMinimum: 0,
    exclusiveMaximum: 1,
  }),
  delta: Type.Optional(
    Type.Number({
      description:
        'the probability with which the mean loss may be larger after all, between 0 and 1, absent for crc',
      exclusiveMinimum: 0,
      exclusiveMaximum: 1,
    }),
  ),
  method: Type.Enum([...riskMethods], {
    description: `how the thresholds were found safe, one of ${riskMethods.join(', ')}`,
  }),
  images: integer('the number of images that the thresholds were tested on', 1, maximum.images),
  measured: share('the mean loss of these images at the thresholds'),
});

const calibration = closed('how temperatures and thresholds were chosen', {
  split: label('the name of the split that the thresholds were chosen on'),
  images: integer('the number of images of that split', 1, maximum.images),
  date: Type.String({
    description: 'the day of the calibration as YYYY-MM-DD',
    pattern: '^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$',
  }),
  target: closed('what the thresholds were chosen to reach', {
    kind: Type.Enum([...targetKinds], { description: `one of ${targetKinds.join(', ')}` }),
    value: Type.Number({
      description: 'the figure to reach, a share from 0 to 1; for mean-cost the most MACs per image',
      minimum: 0,
      maximum: maximum.macs,
    }),
  }),
  risk: Type.Optional(risk),
  cut: Type.Optional(integer('the number of segments on the device, 1 where absent', 1, maximum.segments)),
  measured: closed('what the thresholds reach on that split', {
    deviceShare: share('the share of images answered by the exits of the device'),
    accuracy: share('the share of right answers of the whole system'),
    agreement: share('the share of images answered as the last exit would answer them'),
    exitShares: Type.Optional(
      Type.Array(share('the share of images that one exit answers'), {
        description: 'the share of images that each exit answers, one per exit',
        maxItems: maximum.segments,
      }),
    ),
    meanMacs: Type.Optional(amount('the MACs per image over the segments that run, device and cloud')),
    meanDeviceMacs: Type.Optional(amount('the part of meanMacs that the device runs')),
    expectedDepth: Type.Optional(
      amount('the mean number of exits an image passes, a diagnostic and no guarantee'),
    ),
    depthEntropy: Type.Optional(
      amount('the entropy of the exit taken in nats, a diagnostic and no guarantee'),
    ),
  }),
  guarantee: words('what the thresholds promise beyond the measured figures, in words'),
});

const whole = closed('the network in one piece, through the quantised bottleneck', {
  ...fileFields,
  logits: Type.Array(Type.String({ description: 'the output name "logits" and the number of the exit' }), {
    description: 'the names of the logits outputs, one per exit',
    minItems: 1,
    maxItems: maximum.segments,
  }),
});

const baseline = closed('the same network without branches and without bottlenecks, trained by itself', {
  ...fileFields,
  macs: integer('the multiply-accumulate operations of the baseline per image', 0, maximum.macs),
  parameters: integer('the number of parameters of the baseline', 0, maximum.macs),
  logits: Type.Literal('logits', { description: 'the name of its only output, "logits"' }),
});

const records = closed('the exit records of one split', {
  split: label('the name of the split'),
  ...fileFields,
  images: integer('the number of images recorded', 1, maximum.images),
});

/** TypeBox schema of `manifest.json`; a JSON Schema as it stands. Rules that span fields are in `check.ts`. */
export const manifestSchema = Type.Object(
  {
    schemaVersion: Type.Literal(1, { description: 'the version of this schema, 1' }),
    id: label('the id of the bundle'),
    version: Type.String({
      description: 'the version of the bundle as major.minor.patch, with an optional pre-release',
      pattern: '^[0-9]{1,9}\\.[0-9]{1,9}\\.[0-9]{1,9}(-[0-9A-Za-z.-]{1,64})?$',
    }),
    title: words('the title of the bundle'),
    licence: words('the SPDX expression of the licence'),
    classes: Type.Array(words('the name of one class'), {
      description: 'the class names in the order of the logits, 2 to 4096',
      minItems: 2,
      maxItems: maximum.classes,
    }),
    input: imageSpec,
    segments: Type.Array(segment, {
      description: 'the segments in the order they run, 1 to 16',
      minItems: 1,
      maxItems: maximum.segments,
    }),
    exits: Type.Array(exit, {
      description: 'the exits, one per segment and in the same order',
      minItems: 1,
      maxItems: maximum.segments,
    }),
    cuts: Type.Array(cut, {
      description: 'the cuts, one after every segment but the last',
      maxItems: maximum.segments - 1,
    }),
    calibration,
    whole,
    baseline: Type.Optional(baseline),
    records: Type.Array(records, { description: 'the exit records, one entry per split', maxItems: 16 }),
    training: Type.Record(Type.String(), Type.Unknown(), {
      description: 'how the network was trained, free-form, for the reader',
    }),
  },
  {
    $id: 'urn:offramp:manifest:1',
    title: 'Offramp bundle manifest',
    description: 'the manifest of a bundle',
    additionalProperties: false,
  },
);

/** `manifest.json` of a bundle, checked. */
export type Manifest = Type.Static<typeof manifestSchema>;
/** One entry of `segments`. */
export type SegmentSpec = Type.Static<typeof segment>;
/** One entry of `exits`. */
export type ExitSpec = Type.Static<typeof exit>;
/** One entry of `cuts`. */
export type CutSpec = Type.Static<typeof cut>;
/** One entry of `rates` of a cut. */
export type RateSpec = Type.Static<typeof rate>;
/** The network that bundle and exits are compared with. */
export type BaselineSpec = Type.Static<typeof baseline>;
/** One entry of `records`. */
export type RecordsSpec = Type.Static<typeof records>;
/** Channels, rows and columns of a codes tensor. */
export type CodesShape = Type.Static<typeof codesShape>;
/** What the manifest says of one file of the bundle. */
export interface FileEntry {
  readonly file: string;
  /** 64 lower-case hex digits. */
  readonly sha256: string;
  readonly bytes: number;
}
