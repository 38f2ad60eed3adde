import { type BatchingBounds, type BatchingPolicy, parseBatchingPolicy } from './batching/index.ts';
import type { ServedBundle } from './served-bundle.ts';

/**
 * The batching settings of each bundle, by id; a bundle that has none gets the defaults.
 * @throws OfframpError CONFIG_INVALID with the bundle and the key.
 */
export function batchingPolicies(
  settings: Readonly<Record<string, unknown>>,
  bounds: BatchingBounds,
): (served: ServedBundle) => BatchingPolicy {
  const usual = parseBatchingPolicy({}, 'bundles', bounds);
  const own = new Map(
    Object.entries(settings).map(([id, json]) => [id, parseBatchingPolicy(json, `bundles.${id}`, bounds)]),
  );
  return ({ id }) => own.get(id) ?? usual;
}
