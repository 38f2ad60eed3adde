import Type, { type TSchema } from 'typebox';
import { errorCodes } from '../../shared/errors.ts';
import { classifyRequest } from './request-images.ts';

/** The bodies of the daemon's HTTP API, for its OpenAPI document. What they mean is in docs/operating.md. */

const problem = Type.Object({
  code: Type.String({ enum: [...errorCodes], description: 'see docs/errors.md' }),
  message: Type.String(),
});
const error = Type.Object({ error: problem });

const share = Type.Number({ minimum: 0, maximum: 1 });
const count = Type.Integer({ minimum: 0 });
const milliseconds = Type.Number({ minimum: 0 });
const route = Type.Union([
  Type.Literal('exit'),
  Type.Literal('features'),
  Type.Literal('image'),
  Type.Literal('edge-only'),
]);

const answer = Type.Object(
  {
    id: Type.String({ description: 'file name of a form, id of JSON, else the position' }),
    label: count,
    className: Type.String(),
    probabilities: Type.Array(share, { description: 'of every class, by the exit that answered' }),
    entropy: Type.Number({ minimum: 0, maximum: 1, description: '0 is certain' }),
    exit: Type.String({ description: 'name of the exit that answered' }),
    route,
    degraded: Type.Boolean({ description: 'the branch was not sure, and the cloud did not answer' }),
    reason: Type.Optional(Type.String({ enum: [...errorCodes], description: 'why the cloud did not' })),
    device: Type.Optional(
      Type.Object(
        { exit: Type.String(), label: count, entropy: share, runMs: milliseconds },
        { description: 'what the device itself thought' },
      ),
    ),
    plan: Type.Optional(
      Type.Object(
        { key: Type.String(), predictedMs: Type.Optional(milliseconds) },
        { description: 'the plan that was followed, and what it foresaw for this exit; where plans change' },
      ),
    ),
    latencyMs: milliseconds,
    stagesMs: Type.Object(
      {
        prepare: milliseconds,
        device: milliseconds,
        exit: milliseconds,
        encode: milliseconds,
        // What no other stage accounts for: by rounding it may be a little less than nothing.
        network: Type.Number(),
        cloudQueue: milliseconds,
        cloudRun: milliseconds,
      },
      { description: 'they add up to latencyMs' },
    ),
    bytesSent: count,
    channelsSent: Type.Optional(count),
  },
  { description: 'the answer to one image' },
);

const failure = Type.Object(
  { id: Type.String(), error: problem },
  { description: 'why an image among others has no answer' },
);
const answers = Type.Object({ answers: Type.Array(Type.Union([answer, failure]), { minItems: 1 }) });

const range = Type.Object(
  { median: milliseconds, low: milliseconds, high: milliseconds },
  { description: 'and where it is nine times out of ten' },
);
const server = Type.Object({
  url: Type.String(),
  connected: Type.Boolean(),
  server: Type.Optional(Type.String({ description: 'what it says that it is' })),
  lateAnswers: count,
  link: Type.Optional(
    Type.Object(
      { rttMs: range, uplinkBitsPerSecond: range, observations: count },
      { description: 'what the answers tell of the way there' },
    ),
  ),
  problem: Type.Optional(problem),
});

const audit = Type.Object(
  {
    audits: count,
    disagreements: count,
    range: Type.Unknown({ description: 'where the share of disagreement lies, with 95 % confidence' }),
    evidence: Type.Number({ description: 'that the share is more than allowed' }),
    allowedDisagreement: share,
    thresholdScale: share,
    drifts: count,
  },
  { description: 'how often the cloud disagrees with the device' },
);

const exitShare = Type.Object(
  {
    images: count,
    calibrated: share,
    tolerated: Type.Object({ low: share, high: share }),
    recent: Type.Optional(share),
    moved: Type.Boolean({ description: 'until it is back within what is tolerated' }),
    alarms: count,
  },
  { description: 'share of the images that are sure at the first exit, against its calibration' },
);

const status = Type.Object(
  {
    version: Type.String(),
    provider: Type.String({ description: 'where segments really run' }),
    slowdown: Type.Optional(
      Type.Number({ minimum: 1, description: 'how many times as long as on this machine each run takes' }),
    ),
    segmentMs: Type.Optional(
      Type.Array(milliseconds, { description: 'what each segment takes, where that was set for a trial' }),
    ),
    bundle: Type.Object({
      id: Type.String(),
      version: Type.String(),
      digest: Type.String(),
      exits: Type.Array(Type.Object({ name: Type.String() }), { description: 'as in the manifest' }),
    }),
    inFlight: count,
    thresholds: Type.Optional(
      Type.Object(
        { inUse: Type.Array(share), calibrated: Type.Array(share) },
        { description: "of the device's exits, where they are not the calibrated ones but fixed" },
      ),
    ),
    plan: Type.Optional(
      Type.Object(
        {
          key: Type.Optional(Type.String()),
          changes: count,
          predicted: Type.Optional(
            Type.Object({
              latency: Type.Object({
                meanMs: milliseconds,
                p50Ms: milliseconds,
                p95Ms: milliseconds,
                p99Ms: milliseconds,
              }),
              accuracy: share,
              deviceShare: share,
              bytes: Type.Number(),
            }),
          ),
        },
        { description: 'what is followed and what is foreseen of it; only where plans change' },
      ),
    ),
    audit: Type.Optional(audit),
    exitShare: Type.Optional(exitShare),
    cloud: Type.Optional(
      Type.Object({
        connected: Type.Boolean(),
        problem: Type.Optional(problem),
        hedges: count,
        servers: Type.Array(server),
      }),
    ),
  },
  { description: 'how the daemon is; without a cloud there is none of it' },
);

const live = Type.Object({ live: Type.Boolean() });
const readiness = Type.Object({
  ready: Type.Boolean(),
  provider: Type.String({ description: 'where segments really run' }),
});

/** By their name in the OpenAPI document. */
export const schemas = {
  Answers: answers,
  ClassifyRequest: classifyRequest,
  Error: error,
  Live: live,
  Readiness: readiness,
  Status: status,
} satisfies Record<string, TSchema>;

export type SchemaName = keyof typeof schemas;
