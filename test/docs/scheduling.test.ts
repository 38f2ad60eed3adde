import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { batchingSchema, parseBatchingPolicy } from '../../cloud/batching/index.ts';
import { schedulerNames } from '../../cloud/index.ts';
import { firstCells, readPage } from './page.ts';

/** The part of a JSON Schema that keys are read from. */
interface SchemaNode {
  readonly properties?: Readonly<Record<string, SchemaNode>>;
}

const page = readPage('scheduling.md');

/** The ways to all keys of a schema. */
function keysOf({ properties = {} }: SchemaNode, path = ''): string[] {
  return Object.entries(properties).flatMap(([name, node]) => [
    `${path}${name}`,
    ...keysOf(node, `${path}${name}.`),
  ]);
}

const Page = suite('docs/scheduling.md');

Page('has a row for every batching setting that is taken, and for no other', () => {
  // A TypeBox schema is a JSON Schema as it stands, whose type is more particular than what is read here.
  const keys = keysOf(batchingSchema as SchemaNode);
  assert.ok(keys.length > 10);
  assert.equal(firstCells(page, 'key').sort(), keys.sort());
});

Page('shows settings that are taken as they stand', () => {
  const [, text = ''] = /^```json\n(.*?)^```$/ms.exec(page) ?? [];
  const { bundles }: { bundles: Record<string, unknown> } = JSON.parse(text);
  const policies = Object.entries(bundles).map(([id, json]) => parseBatchingPolicy(json, id));
  assert.equal(
    policies.map(({ priorityLevels, maxBatchRows }) => [priorityLevels, maxBatchRows]),
    [[2, 32]],
  );
});

Page('has a row for every rule, and for no other', () => {
  const rules = firstCells(page, 'rule').flatMap((cell) => cell.split(', '));
  assert.equal(rules.sort(), [...schedulerNames].sort());
});

Page.run();
