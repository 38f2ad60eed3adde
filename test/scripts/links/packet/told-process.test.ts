import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ToldProcess } from '../../../../scripts/links/packet/told-process.ts';
import { OfframpError } from '../../../../shared/errors.ts';

const Told = suite('a told process');

function told(program: string): ToldProcess {
  return new ToldProcess('The echo', process.execPath, ['-e', program]);
}

async function failure(hearing: Promise<unknown>): Promise<OfframpError> {
  try {
    await hearing;
  } catch (error) {
    if (error instanceof OfframpError) return error;
    throw error;
  }
  throw new Error('it heard something');
}

Told('is heard line by line, also lines that came together', async () => {
  const process = told(
    `process.stdin.once('data', (text) => { console.log(text + '\\n[2]'); process.stdin.destroy(); })`,
  );
  process.write('[1]');
  assert.equal([await process.hear(), await process.hear()], [[1], [2]]);
  await process.ended;
});

Told('is refused with its own words and the code of its exit status', async () => {
  for (const [status, code] of [
    [2, 'CONFIG_INVALID'],
    [3, 'NOT_SUPPORTED'],
    [4, 'INTERNAL'],
  ] as const) {
    const error = await failure(told(`console.error('no such thing'); process.exitCode = ${status}`).hear());
    assert.equal([error.code, error.message], [code, 'no such thing']);
  }
});

Told('says how it ended when it said nothing', async () => {
  const process = told('setInterval(() => {}, 1000)');
  process.signal('SIGKILL');
  const error = await failure(process.hear());
  assert.equal([error.code, error.message], ['INTERNAL', 'The echo ended with SIGKILL']);
});

Told('says that there is no such command', async () => {
  const process = new ToldProcess('The echo', 'offramp-no-such-command', []);
  process.write('anything');
  const error = await failure(process.hear());
  assert.is(error.code, 'NOT_SUPPORTED');
  assert.match(error.message, /^The echo: .*offramp-no-such-command/);
});

Told.run();
