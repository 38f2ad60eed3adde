/** The choice of WebGPU in the page, over the driver in software that Chromium brings. */
import * as assert from 'uvu/assert';
import { softwareWebGpuFlags } from '../support/browser.ts';
import { skip } from '../support/data.ts';
import { seven, type Visit } from './page-visit.ts';
import { pageSuite } from './page-world.ts';

const { page, visiting } = pageSuite('the page on WebGPU', softwareWebGpuFlags);

const onProcessor = 'Segments here run on the processor, by WebAssembly, 1 thread.';
/** Software takes its time to compile for the first run. */
const patientMs = 60_000;

/** Whether there is an adapter; without one the test is skipped, and says so. */
async function hasAdapter(visit: Visit): Promise<boolean> {
  const isThere = await visit.page.evaluate<boolean>(
    'navigator.gpu?.requestAdapter().then((adapter) => adapter !== null) ?? false',
  );
  if (!isThere) skip('this Chromium offers no WebGPU adapter in software');
  return isThere;
}

visiting('runs on what is chosen, and says what it got', async (visit) => {
  await visit.ready();
  if (!(await hasAdapter(visit))) return;
  await visit.holds("!document.querySelector('#provider-field').hidden");
  assert.is(await visit.text('provider-words'), onProcessor);
  await visit.page.selectOption('#provider', 'webgpu');
  await visit.says('provider-words', 'the graphics processor, by WebGPU', patientMs);
  await visit.ready();
  await visit.setSlider('budget', 100);
  await visit.draw(seven);
  await visit.says('verdict-head', 'Left by the off-ramp', patientMs);
  assert.is(await visit.text('verdict-class'), '7');
  await visit.page.selectOption('#provider', 'wasm');
  await visit.says('provider-words', onProcessor);
  assert.equal(visit.complaints, []);
});

visiting(
  'says that WebGPU did not start, and goes on as before',
  async (visit) => {
    await visit.ready();
    if (!(await hasAdapter(visit))) return;
    await visit.holds("!document.querySelector('#provider-field').hidden");
    await visit.page.selectOption('#provider', 'webgpu');
    await visit.says('notice-words', 'WebGPU did not start, so the page runs on WebAssembly again');
    await visit.ready();
    assert.is(await visit.text('provider-words'), onProcessor);
    assert.is(await visit.page.inputValue('#provider'), 'wasm');
    await visit.draw(seven);
    await visit.says('verdict-head', 'Left by the off-ramp');
  },
  { before: ({ page: own }) => own.route('**/*.asyncify.wasm', (route) => route.fulfill({ status: 404 })) },
);

page.run();
