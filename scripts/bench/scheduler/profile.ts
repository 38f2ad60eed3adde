import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { OfframpError } from '../../../shared/errors.ts';
import { mean, type Quantiles, quantiles } from '../../quantiles.ts';

const imageKind = Type.Object({
  exit: Type.Integer({ minimum: 0 }),
  right: Type.Array(Type.Boolean()),
  count: Type.Integer({ minimum: 1 }),
});

const modelProfile = Type.Object({
  id: Type.String({ minLength: 1 }),
  exits: Type.Array(Type.String(), { minItems: 1 }),
  images: Type.Array(imageKind, { minItems: 1 }),
  passes: Type.Array(Type.Array(Type.Array(Type.Number({ exclusiveMinimum: 0 })), { minItems: 1 }), {
    minItems: 1,
  }),
});

const profileSchema = Type.Object({
  schemaVersion: Type.Literal(1),
  cut: Type.Integer({ minimum: 0 }),
  models: Type.Array(modelProfile, { minItems: 1 }),
});

/** Images that leave at the same exit and are answered rightly by the same exits. */
export type ImageKind = Static<typeof imageKind>;

/**
 * What was measured of one model. `exits` are names, shallow to deep, and segment k ends at exit k. `passes` are milliseconds,
 * [rows - 1][pass][segment]; in a pass all rows go through all segments, one after the other. Of `images`, `exit` is the first
 * exit that is sure of them, `right` says of each exit whether its answer is the true one.
 */
export type ModelProfile = Static<typeof modelProfile>;

/** What a run of the bench starts from; measured here or read from a file, so that runs can be repeated. */
export type Profile = Static<typeof profileSchema>;

/** Durations of batches that go to one exit and no deeper, every row to there, milliseconds. */
export interface LatencyFigures extends Quantiles {
  readonly exit: string;
  readonly rows: number;
  readonly mean: number;
}

/**
 * Reads a profile from JSON text; `file` names it in errors.
 * @throws OfframpError CONFIG_INVALID with the field.
 */
export function parseProfile(text: string, file: string): Profile {
  const json = parseJson(text, file);
  const [error] = Value.Errors(profileSchema, json);
  if (error !== undefined) throw invalid(file, `${error.instancePath || 'the whole'} ${error.message}`);
  const profile = Value.Parse(profileSchema, json);
  for (const [index, model] of profile.models.entries()) {
    const problem = problemOf(model);
    if (problem !== undefined) throw invalid(file, `models[${index}].${problem}`);
  }
  return profile;
}

/** The text of a profile; a line for each model and batch size. */
export function profileText(profile: Profile, about: object): string {
  const { models, ...head } = profile;
  const parts = models.map(({ passes, ...model }) => {
    const sizes = passes.map((own) => `      ${JSON.stringify(own)}`).join(',\n');
    return `    ${JSON.stringify(model).slice(0, -1)}, "passes": [\n${sizes}\n    ]}`;
  });
  const start = JSON.stringify({ ...head, ...about }, null, 2).slice(0, -2);
  return `${start},\n  "models": [\n${parts.join(',\n')}\n  ]\n}\n`;
}

/** What the profile says of each exit and batch size; the table L(m, e, B) of EdgeServing. */
export function latencyTable({ exits, passes }: ModelProfile): LatencyFigures[] {
  return exits.flatMap((exit, last) =>
    passes.map((own, index) => {
      const samples = own.map((segments) => sumTo(segments, last));
      return { exit, rows: index + 1, mean: mean(samples), ...quantiles(samples) };
    }),
  );
}

function sumTo(segments: readonly number[], last: number): number {
  return segments.slice(0, last + 1).reduce((sum, ms) => sum + ms, 0);
}

function parseJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `${file} is not JSON, expected a profile of --save-profile`, {
      cause,
    });
  }
}

/** What JSON Schema cannot say. */
function problemOf({ exits, images, passes }: ModelProfile): string | undefined {
  const wrongKind = images.findIndex(
    ({ exit, right }) => exit >= exits.length || right.length !== exits.length,
  );
  if (wrongKind !== -1) return `images[${wrongKind}] does not fit ${exits.length} exits`;
  const wrongSize = passes.findIndex((own) => own.some((segments) => segments.length !== exits.length));
  if (wrongSize !== -1) return `passes[${wrongSize}] has a pass without ${exits.length} segments`;
  return undefined;
}

function invalid(file: string, problem: string): OfframpError {
  return new OfframpError('CONFIG_INVALID', `${file}: ${problem}, expected a profile of --save-profile`);
}
