import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import Type, { type Static, type TSchema } from 'typebox';
import Value from 'typebox/value';
import { schedulerNames } from '../../cloud/index.ts';
import { OfframpError, reasonOf } from '../../shared/errors.ts';
import { aims } from '../../shared/plan/index.ts';

const strict = { additionalProperties: false } as const;
const share = Type.Number({ minimum: 0, maximum: 1 });
const name = Type.String({ minLength: 1, maxLength: 80 });
const rate = Type.Number({ exclusiveMinimum: 0, maximum: 1e6 });
/** Of a folder or a file. */
const place = Type.String({ minLength: 1 });
const many = { minItems: 1, maxItems: 64 } as const;

const arrivals = Type.Union([
  Type.Object({ kind: Type.Literal('poisson'), imagesPerSecond: rate }, strict),
  Type.Object({ kind: Type.Literal('periodic'), imagesPerSecond: rate }, strict),
  Type.Object(
    {
      kind: Type.Literal('bursty'),
      imagesPerSecond: rate,
      burstImages: Type.Integer({ minimum: 1, maximum: 1000 }),
    },
    strict,
  ),
  Type.Object({ kind: Type.Literal('trace'), file: Type.String({ minLength: 1 }) }, strict),
]);

/** A plan that never changes: a cut, whether the device's exits let images go, and what is sent. */
const fixedPolicy = Type.Object(
  {
    name,
    cut: Type.Union([Type.Integer({ minimum: 0, maximum: 64 }), Type.Literal('all')]),
    exits: Type.Optional(Type.Enum(['calibrated', 'none'])),
    thresholds: Type.Optional(Type.Array(share, { minItems: 1, maxItems: 64 })),
    channels: Type.Optional(Type.Integer({ minimum: 1, maximum: 4096 })),
  },
  strict,
);

const adaptivePolicy = Type.Object(
  { name, objective: Type.Enum(aims), accuracyFloor: Type.Optional(share) },
  strict,
);

/** The best of all plans that never change, found by trying each on the same run; or, at every image, the plan that is best at that moment. */
const hindsightPolicy = Type.Object({ name, best: Type.Enum(['static', 'moment']) }, strict);

const policy = Type.Union([fixedPolicy, adaptivePolicy, hindsightPolicy]);

const namedLink = Type.Object({ name, link: Type.String({ minLength: 1 }) }, strict);

const cloud = Type.Object(
  {
    executors: Type.Integer({ minimum: 1, maximum: 1024 }),
    scheduler: Type.Optional(Type.Enum(schedulerNames)),
    maxBatchRows: Type.Optional(Type.Integer({ minimum: 1, maximum: 1024 })),
    /** In place of what was measured, segment by segment, milliseconds. */
    segments: Type.Optional(
      Type.Array(
        Type.Object({ fixedMs: Type.Number({ minimum: 0 }), perRowMs: Type.Number({ minimum: 0 }) }, strict),
        { minItems: 1, maxItems: 64 },
      ),
    ),
  },
  strict,
);

const scenarioSchema = Type.Object(
  {
    name,
    about: Type.Optional(Type.String({ maxLength: 1000 })),
    /** Of several, each runs everything. */
    bundle: Type.Union([place, Type.Array(place, many)]),
    /** A profile of `offramp profile`, or of several bundles by their ids; those that come with the project where absent. */
    profile: Type.Optional(Type.Union([place, Type.Record(Type.String(), place)])),
    devices: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 1_000_000 }), { minItems: 1, maxItems: 64 }),
    ),
    deviceSlowdown: Type.Optional(Type.Number({ exclusiveMinimum: 0, maximum: 10_000 })),
    arrivals,
    seconds: Type.Number({ exclusiveMinimum: 0, maximum: 604_800 }),
    warmUpSeconds: Type.Optional(Type.Number({ minimum: 0, maximum: 604_800 })),
    /** Whose images are replayed; `test` where absent. */
    split: Type.Optional(Type.Enum(['test', 'calibration'])),
    budgetMs: Type.Number({ exclusiveMinimum: 0, maximum: 600_000 }),
    maxInFlight: Type.Optional(Type.Integer({ minimum: 1, maximum: 65_536 })),
    /** As `offramp emulate --link` takes them. */
    links: Type.Array(Type.Union([name, namedLink]), many),
    /** Whether the links of several devices begin together or each somewhere along its trace. */
    linkStarts: Type.Optional(Type.Enum(['together', 'apart'])),
    policies: Type.Array(policy, many),
    cloud: Type.Optional(cloud),
    seed: Type.Optional(Type.Integer({ minimum: 0, maximum: 2 ** 32 - 1 })),
  },
  strict,
);

/** A scenario whose choices are not looked into. */
const outlineSchema = Type.Object(
  {
    ...scenarioSchema.properties,
    arrivals: Type.Object({}),
    links: Type.Array(Type.Union([name, Type.Object({})]), many),
    policies: Type.Array(Type.Object({}), many),
  },
  strict,
);

export type Scenario = Static<typeof scenarioSchema>;
export type Policy = Static<typeof policy>;
export type AdaptivePolicy = Static<typeof adaptivePolicy>;
export type FixedPolicy = Static<typeof fixedPolicy>;

/** The bundles of a scenario, ids or folders. */
export function bundlesOf({ bundle }: Pick<Scenario, 'bundle'>): readonly string[] {
  return typeof bundle === 'string' ? [bundle] : bundle;
}

/**
 * Reads a scenario from JSON text; `file` names it in errors.
 * @throws OfframpError CONFIG_INVALID with the field, what was got and what was expected.
 */
export function parseScenario(text: string, file: string): Scenario {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `${file} is not JSON, expected a scenario`, { cause });
  }
  const fault = faultOf(json);
  if (fault !== undefined) throw new OfframpError('CONFIG_INVALID', `${file}: ${fault}`);
  const scenario = Value.Parse(scenarioSchema, json);
  return checkLength(scenario, file);
}

function checkLength(scenario: Scenario, file: string): Scenario {
  if ((scenario.warmUpSeconds ?? 0) >= scenario.seconds) {
    const got = `${scenario.warmUpSeconds} of ${scenario.seconds} seconds`;
    throw new OfframpError(
      'CONFIG_INVALID',
      `${file}: warmUpSeconds: got ${got}, expected fewer than seconds`,
    );
  }
  return scenario;
}

/** What a command line changes in a scenario. */
export type ScenarioChange = Pick<Scenario, 'seconds' | 'seed'>;

/**
 * Reads a scenario's file, with what is to be changed in it.
 * @throws OfframpError as {@link parseScenario}.
 */
export function readScenario(file: string, { seconds, seed }: Partial<ScenarioChange> = {}): Scenario {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new OfframpError('CONFIG_INVALID', `${file} cannot be read: ${reasonOf(cause)}`, { cause });
  }
  const given = parseScenario(text, file);
  const scenario = {
    ...given,
    ...(seconds !== undefined && { seconds }),
    ...(seed !== undefined && { seed }),
  };
  return checkLength(scenario, file);
}

/** What is wrong with a scenario; of a choice it is held against the kind that it means to be. */
function faultOf(json: unknown): string | undefined {
  const fault = firstFault(outlineSchema, json, '');
  if (fault !== undefined) return fault;
  const { arrivals: coming, links, policies } = Value.Parse(outlineSchema, json);
  const [kind] = arrivals.anyOf.filter(
    ({ properties }) => properties.kind.const === Reflect.get(coming, 'kind'),
  );
  if (kind === undefined) {
    const kinds = arrivals.anyOf.map(({ properties }) => properties.kind.const).join(', ');
    return `arrivals.kind: got ${shown(Reflect.get(coming, 'kind'))}, expected one of ${kinds}`;
  }
  const faults = [
    firstFault(kind, coming, '/arrivals'),
    ...links.map((one, at) => firstFault(typeof one === 'string' ? name : namedLink, one, `/links/${at}`)),
    ...policies.map((one, at) => firstFault(policyKind(one), one, `/policies/${at}`)),
  ];
  return faults.find((one) => one !== undefined);
}

function policyKind(one: object) {
  if ('best' in one) return hindsightPolicy;
  return 'objective' in one ? adaptivePolicy : fixedPolicy;
}

function firstFault(schema: TSchema, json: unknown, path: string): string | undefined {
  const [error] = Value.Errors(schema, json);
  if (error === undefined) return undefined;
  const field = `${path}${error.instancePath}`.slice(1).replaceAll('/', '.') || 'the whole';
  return `${field}: got ${shown(valueAt(json, error.instancePath))}, which ${error.message}`;
}

function shown(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 200);
}

function valueAt(json: unknown, path: string): unknown {
  let value = json;
  for (const key of path.split('/').slice(1)) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = Reflect.get(value, key);
  }
  return value;
}

/**
 * The file of a scenario: a path, with its `.json` or without, or the name of one that comes with the project.
 * @throws OfframpError CONFIG_INVALID naming those that come with it.
 */
export function findScenario(nameOrFile: string): string {
  const folder = fileURLToPath(new URL('./scenarios', import.meta.url));
  const own = join(folder, `${nameOrFile}.json`);
  if (/^[\w-]+$/.test(nameOrFile) && existsSync(own)) return own;
  if (existsSync(nameOrFile)) return nameOrFile;
  if (existsSync(`${nameOrFile}.json`)) return `${nameOrFile}.json`;
  const names = readdirSync(folder).map((name) => name.replace(/\.json$/, ''));
  throw new OfframpError(
    'CONFIG_INVALID',
    `No scenario '${nameOrFile}', expected a file, or one of ${names.sort().join(', ')}`,
  );
}
