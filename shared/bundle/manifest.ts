import Value from 'typebox/value';
import { OfframpError, reasonOf } from '../errors.ts';
import { checkAcrossFields, refuse } from './check.ts';
import { type Manifest, manifestSchema } from './schema.ts';

/** Largest `manifest.json` that is read; the bundles at hand need a few KiB. */
export const maximumManifestBytes = 2 ** 20;

/**
 * Reads `manifest.json`: UTF-8, JSON, schema, then the rules that span fields (the segments form a chain, one exit per
 * segment, one cut after every segment but the last, table sizes follow from shapes and bits, file names are unique).
 *
 * Throws `BUNDLE_MANIFEST_INVALID` for the first fault, with the JSON path of the field, what was got, what was expected.
 */
export function parseManifest(bytes: Uint8Array): Manifest {
  const value = parseJson(bytes);
  if (!Value.Check(manifestSchema, value)) refuseBySchema(value);
  checkAcrossFields(value);
  return value;
}

function parseJson(bytes: Uint8Array): unknown {
  if (bytes.length > maximumManifestBytes) {
    refuse('', `${bytes.length} bytes`, `at most ${maximumManifestBytes} bytes`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    const reason = reasonOf(cause);
    throw new OfframpError(
      'BUNDLE_MANIFEST_INVALID',
      `manifest.json: got ${bytes.length} bytes that are no JSON in UTF-8 (${reason}), expected one JSON object`,
      { cause },
    );
  }
}

function refuseBySchema(value: unknown): never {
  const [fault] = Value.Errors(manifestSchema, value);
  if (fault === undefined) refuse('', value, 'a manifest');
  const steps = pointerSteps(fault.instancePath);
  if (fault.keyword === 'required') {
    const [missing = ''] = fault.params.requiredProperties;
    refuse(pathOf([...steps, missing]), undefined, describe(`${fault.schemaPath}/properties/${missing}`));
  }
  // Objects and tuples are closed by the schema `false`, which is what a field too many meets first.
  if (fault.keyword === 'boolean') refuse(pathOf(steps), at(value, steps), 'no such field');
  refuse(pathOf(steps), at(value, steps), `${describe(fault.schemaPath)} (${fault.message})`);
}

function pointerSteps(pointer: string): string[] {
  const [, ...steps] = pointer.replace(/^#/, '').split('/');
  return steps.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
}

function pathOf(steps: readonly string[]): string {
  const joined = steps.map((step) => (/^\d+$/.test(step) ? `[${step}]` : `.${step}`)).join('');
  return joined.replace(/^\./, '');
}

function at(root: unknown, steps: readonly string[]): unknown {
  let value = root;
  for (const step of steps) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
    // A step may index an object or an array alike; both answer to a string key.
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}

function describe(schemaPath: string): string {
  const description = at(manifestSchema, [...pointerSteps(schemaPath), 'description']);
  return typeof description === 'string' ? description : 'a value that fits the schema';
}
