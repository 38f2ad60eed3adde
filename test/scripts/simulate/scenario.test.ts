import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { projectFolder } from '../../../scripts/project.ts';
import { findScenario, parseScenario, readScenario } from '../../../scripts/simulate/index.ts';
import { OfframpError } from '../../../shared/errors.ts';

const folder = join(projectFolder, 'scripts', 'simulate', 'scenarios');
const valid = {
  name: 'one',
  bundle: 'b-lenet-mnist',
  arrivals: { kind: 'poisson', imagesPerSecond: 2 },
  seconds: 10,
  budgetMs: 500,
  links: ['lte'],
  policies: [{ name: 'split', cut: 1 }],
};
const problemOf = (change: object) => {
  try {
    parseScenario(JSON.stringify({ ...valid, ...change }), 'mine.json');
  } catch (thrown) {
    const error = OfframpError.from(thrown);
    return `${error.code}: ${error.message}`;
  }
  return 'none';
};

const Scenarios = suite('scenarios');

Scenarios('that come with the project are valid and called as their files', () => {
  const files = readdirSync(folder);
  assert.ok(files.length > 0);
  for (const file of files) {
    const scenario = parseScenario(readFileSync(join(folder, file), 'utf8'), file);
    assert.is(`${scenario.name}.json`, file);
    assert.is(findScenario(scenario.name), join(folder, file));
    assert.is(findScenario(join(folder, scenario.name)), join(folder, file));
  }
});

for (const [what, change, field, got] of [
  ['no images', { arrivals: { kind: 'poisson', imagesPerSecond: 0 } }, 'arrivals', '0'],
  ['a budget of nothing', { budgetMs: 0 }, 'budgetMs', '0'],
  ['no links', { links: [] }, 'links', '[]'],
  ['no policies', { policies: [] }, 'policies', '[]'],
  ['a policy without a name', { policies: [{ cut: 1 }] }, 'policies.0: got {"cut":1}', 'name'],
  [
    'an objective that there is none of',
    { policies: [{ name: 'x', objective: 'joy' }] },
    'policies.0.objective',
    '"joy"',
  ],
  ['arrivals that there are none of', { arrivals: { kind: 'never' } }, 'arrivals.kind', '"never"'],
  ['a cut below 0', { policies: [{ name: 'x', cut: -1 }] }, 'policies.0.cut', '-1'],
  ['a key that there is none of', { devises: [1] }, 'devises', 'devises'],
  ['a length that is text', { seconds: 'ten' }, 'seconds', '"ten"'],
  ['a warm-up as long as all of it', { warmUpSeconds: 10 }, 'warmUpSeconds', '10 of 10'],
] as const) {
  Scenarios(`with ${what} are refused with the field and what was got`, () => {
    const problem = problemOf(change);
    assert.ok(problem.startsWith('CONFIG_INVALID: mine.json: '), problem);
    assert.ok(problem.includes(field), problem);
    assert.ok(problem.includes(got), problem);
  });
}

Scenarios('are refused by a coded error, whatever the text', () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      assert.throws(
        () => parseScenario(text, 'mine.json'),
        (error: unknown) => error instanceof OfframpError && error.code === 'CONFIG_INVALID',
      );
    }),
  );
});

Scenarios('are held to their rules after a command line has changed them, too', () => {
  const file = findScenario('overload');
  assert.is(readScenario(file, { seconds: 12, seed: 5 }).seconds, 12);
  assert.throws(
    () => readScenario(file, { seconds: 5 }),
    (error: unknown) => error instanceof OfframpError && /warmUpSeconds: got 5 of 5/.test(error.message),
  );
});

Scenarios('that are not there are named, with those that are', () => {
  assert.throws(
    () => findScenario('nowhere'),
    (error: unknown) => error instanceof OfframpError && error.message.includes('six-links'),
  );
});

Scenarios.run();
