import Type, { type Static, type TSchema } from 'typebox';
import Value from 'typebox/value';
import { OfframpError } from '../../shared/errors.ts';

/**
 * How the requests of a bundle are batched, under the key names and with the meaning that Triton Inference Server gives them
 * in a model configuration (`model_config.proto`, `ModelDynamicBatching` and `ModelQueuePolicy`). Descriptions are noun
 * phrases that read on after "expected ...".
 */

const maxMicroseconds = { delay: 10_000_000, timeout: 3_600_000_000 } as const;
const maxPreferredSizes = 64;
const maxPriorityLevels = 64;

const timeoutActions = ['REJECT', 'DELAY'] as const;

function closed<Properties extends Record<string, TSchema>>(description: string, properties: Properties) {
  return Type.Object(properties, { description, additionalProperties: false });
}

function upTo(maximum: number, description: string) {
  return Type.Optional(Type.Integer({ description: `${description}, 0 to ${maximum}`, minimum: 0, maximum }));
}

const queuePolicy = closed('a queue policy', {
  timeout_action: Type.Optional(
    Type.Enum([...timeoutActions], {
      description: 'what happens to a request past its timeout, REJECT or DELAY',
    }),
  ),
  default_timeout_microseconds: upTo(
    maxMicroseconds.timeout,
    'the microseconds a request may wait without an own timeout',
  ),
  allow_timeout_override: Type.Optional(
    Type.Boolean({ description: 'true or false, whether a request may shorten its timeout' }),
  ),
  max_queue_size: upTo(2 ** 31 - 1, 'the requests that may wait'),
});

const dynamicBatching = closed('the settings of the dynamic batcher', {
  preferred_batch_size: Type.Optional(
    Type.Array(
      Type.Integer({ description: 'rows of a batch, at least 1', minimum: 1, maximum: 2 ** 31 - 1 }),
      {
        description: `a list of batch sizes in rows, at most ${maxPreferredSizes}`,
        maxItems: maxPreferredSizes,
      },
    ),
  ),
  max_queue_delay_microseconds: upTo(
    maxMicroseconds.delay,
    'the microseconds a request may wait for others to join its batch',
  ),
  preserve_ordering: Type.Optional(
    Type.Literal(false, {
      description: 'false, because an answer leaves as soon as it is there and says which request it is for',
    }),
  ),
  priority_levels: upTo(maxPriorityLevels, 'the number of priority levels'),
  default_priority_level: upTo(maxPriorityLevels, 'the level of requests that ask for none'),
  default_queue_policy: Type.Optional(queuePolicy),
  priority_queue_policy: Type.Optional(
    Type.Record(Type.String({ pattern: '^[1-9][0-9]?$' }), queuePolicy, {
      description: 'a queue policy for each level that needs its own, by the number of the level',
      additionalProperties: false,
    }),
  ),
});

/** TypeBox schema of the batching settings of a bundle; a JSON Schema as it stands. */
export const batchingSchema = closed('the batching settings of a bundle', {
  max_batch_size: Type.Optional(
    Type.Integer({
      description: 'the rows of the largest batch, at least 1',
      minimum: 1,
      maximum: 2 ** 31 - 1,
    }),
  ),
  dynamic_batching: Type.Optional(dynamicBatching),
});

type QueueSettings = Static<typeof queuePolicy>;
type BatcherSettings = Static<typeof dynamicBatching>;

/** What one priority level does with its waiting requests. */
export interface QueuePolicy {
  /** What happens to a request past its timeout: it fails, or it waits behind the others of its level. */
  readonly timeoutAction: (typeof timeoutActions)[number];
  /** 0: requests have no timeout but their deadline. */
  readonly defaultTimeoutMicros: number;
  /** Whether a request may bring a timeout of its own, which can only be the shorter one. */
  readonly allowTimeoutOverride: boolean;
  readonly maxQueuedRequests: number;
}

/** The batching settings of a bundle, checked and complete. */
export interface BatchingPolicy {
  /** Rows of the largest batch, and of the largest request. */
  readonly maxBatchRows: number;
  /** Batches of these sizes start without waiting; ascending, empty for none. */
  readonly preferredBatchRows: readonly number[];
  /** How long a request waits for others to fill its batch; 0 starts at once with what is there. */
  readonly maxQueueDelayMicros: number;
  /** At least 1; level 1 is served first. */
  readonly priorityLevels: number;
  readonly defaultPriorityLevel: number;
  /** One per level, that of level 1 first. */
  readonly queuePolicies: readonly QueuePolicy[];
}

/** What a server allows every bundle, and what holds where the settings of a bundle are silent. */
export interface BatchingBounds {
  readonly maxBatchRows: number;
  /** Rows that may wait in the whole server, and so the most requests that can. */
  readonly maxQueuedRows: number;
}

const defaultBounds: BatchingBounds = { maxBatchRows: 64, maxQueuedRows: 4096 };

/**
 * Reads the batching settings of a bundle. Meaning and defaults are Triton's, but for these:
 *
 * - No queue is unbounded: a `max_queue_size` of 0, or none, is the server's bound.
 * - Without `max_batch_size` the server's largest batch holds, without `dynamic_batching` its defaults; 0 is refused, because
 *   the segments of a bundle always have a batch dimension.
 * - Levels and policies that `priority_levels` leaves without a use are refused and not ignored, and so is
 *   `preserve_ordering: true`.
 * - Where `default_timeout_microseconds` is 0, a request that may bring its own timeout can, because any is shorter than none.
 *
 * @param name what the settings belong to, for the error's words.
 * @throws OfframpError CONFIG_INVALID with the path of the key, what was got and what was expected.
 */
export function parseBatchingPolicy(
  json: unknown,
  name: string,
  bounds: BatchingBounds = defaultBounds,
): BatchingPolicy {
  const refuse = refusal(name);
  if (!Value.Check(batchingSchema, json)) return refuseBySchema(json, refuse);
  const { max_batch_size: maxBatchRows = bounds.maxBatchRows, dynamic_batching: settings = {} } = json;
  if (maxBatchRows > bounds.maxBatchRows) {
    refuse('max_batch_size', maxBatchRows, `at most ${bounds.maxBatchRows}, the largest batch of the server`);
  }
  checkPreferredSizes(settings, maxBatchRows, refuse);
  checkLevels(settings, refuse);
  checkQueueSizes(settings, bounds, refuse);
  const priorityLevels = settings.priority_levels || 1;
  return {
    maxBatchRows,
    preferredBatchRows: [...new Set(settings.preferred_batch_size)].sort((one, other) => one - other),
    maxQueueDelayMicros: settings.max_queue_delay_microseconds ?? 0,
    priorityLevels,
    defaultPriorityLevel: settings.default_priority_level || 1,
    queuePolicies: Array.from({ length: priorityLevels }, (_, index) =>
      completed(settings.priority_queue_policy?.[index + 1] ?? settings.default_queue_policy, bounds),
    ),
  };
}

/** The level a request is served at: the one it asks for, or the default for 0 and for one that there is not. */
export function priorityLevel(policy: BatchingPolicy, asked: number): number {
  const isLevel = Number.isInteger(asked) && asked >= 1 && asked <= policy.priorityLevels;
  return isLevel ? asked : policy.defaultPriorityLevel;
}

/** The policy that a request waits under which asks for this priority. */
export function queuePolicyOf(policy: BatchingPolicy, asked: number): QueuePolicy | undefined {
  return policy.queuePolicies[priorityLevel(policy, asked) - 1];
}

function completed(settings: QueueSettings = {}, bounds: BatchingBounds): QueuePolicy {
  return {
    timeoutAction: settings.timeout_action ?? 'REJECT',
    defaultTimeoutMicros: settings.default_timeout_microseconds ?? 0,
    allowTimeoutOverride: settings.allow_timeout_override ?? false,
    maxQueuedRequests: settings.max_queue_size || bounds.maxQueuedRows,
  };
}

type Refuse = (path: string, got: unknown, expected: string) => never;

function refusal(name: string): Refuse {
  return (path, got, expected) => {
    const where = path === '' ? name : `${name}: ${path}`;
    throw new OfframpError('CONFIG_INVALID', `${where}: got ${shown(got)}, expected ${expected}`);
  };
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? String(value);
  return text.length <= 120 ? text : `${text.slice(0, 117)}...`;
}

function checkPreferredSizes(settings: BatcherSettings, maxBatchRows: number, refuse: Refuse): void {
  for (const [index, rows] of (settings.preferred_batch_size ?? []).entries()) {
    if (rows <= maxBatchRows) continue;
    const path = `dynamic_batching.preferred_batch_size[${index}]`;
    refuse(path, rows, `at most ${maxBatchRows}, the largest batch`);
  }
}

function checkLevels(settings: BatcherSettings, refuse: Refuse): void {
  const { priority_levels: levels = 0, default_priority_level: standard = 0 } = settings;
  const because = `because priority_levels is ${levels}`;
  if (levels === 0 && standard !== 0) {
    refuse('dynamic_batching.default_priority_level', standard, `0 or nothing, ${because}`);
  }
  if (levels > 0 && (standard === 0 || standard > levels)) {
    refuse('dynamic_batching.default_priority_level', standard, `1 to ${levels}, ${because}`);
  }
  for (const [level, policy] of Object.entries(settings.priority_queue_policy ?? {})) {
    if (Number(level) <= levels) continue;
    refuse(`dynamic_batching.priority_queue_policy[${level}]`, policy, `no such level, ${because}`);
  }
}

function checkQueueSizes(settings: BatcherSettings, { maxQueuedRows }: BatchingBounds, refuse: Refuse): void {
  const own = Object.entries(settings.priority_queue_policy ?? {}).map(
    ([level, policy]) => [`priority_queue_policy[${level}]`, policy] as const,
  );
  for (const [path, policy] of [['default_queue_policy', settings.default_queue_policy] as const, ...own]) {
    const size = policy?.max_queue_size ?? 0;
    if (size <= maxQueuedRows) continue;
    const expected = `at most ${maxQueuedRows}, the rows that may wait in the whole server`;
    refuse(`dynamic_batching.${path}.max_queue_size`, size, expected);
  }
}

function refuseBySchema(json: unknown, refuse: Refuse): never {
  const [fault] = Value.Errors(batchingSchema, json);
  if (fault === undefined) return refuse('', json, 'the batching settings of a bundle');
  const steps = pointerSteps(fault.instancePath);
  const path = steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join('');
  // Closed objects meet a key too many as the schema `false`.
  const description = at(batchingSchema, [...pointerSteps(fault.schemaPath), 'description']);
  const expected = fault.keyword === 'boolean' ? 'no such key' : String(description ?? fault.message);
  return refuse(path.replace(/^\./, ''), at(json, steps), expected);
}

/** Steps of a JSON pointer (RFC 6901), also of one that begins with the `#` of a fragment. */
function pointerSteps(pointer: string): string[] {
  const [, ...steps] = pointer.split('/');
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function at(root: unknown, steps: readonly string[]): unknown {
  let value = root;
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    // Objects and arrays alike are read by a string key.
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}
