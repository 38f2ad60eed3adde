/** The page that shows the agent, in a real Chromium, from real servers and under their headers. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as assert from 'uvu/assert';
import { findPage } from '../../scripts/page.ts';
import { chromiumFlags } from '../support/browser.ts';
import { seven, Visit } from './page-visit.ts';
import { pageSuite } from './page-world.ts';
import { note, startServer } from './support.ts';

const maxPageBytes = 150_000;
const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const { page, inWorld, visiting } = pageSuite('the page', [
  ...chromiumFlags,
  '--use-fake-device-for-media-stream',
]);

visiting(
  'answers a digit drawn with the mouse on the device, and sends one to the server when nothing may leave',
  async (visit) => {
    await visit.ready();
    assert.match(await visit.text('provider-words'), 'by WebAssembly');
    assert.ok(await visit.page.isHidden('#provider-field'), 'WebGPU is offered where there is none');
    await visit.draw(seven);
    await visit.says('verdict-head', 'Left by the off-ramp');
    assert.is(await visit.text('verdict-class'), '7');
    assert.match(await visit.text('verdict-words'), 'below the threshold');
    await visit.says('sent', '0 bytes');
    await visit.says('bytes-words', '28 x 28 pixels that the network sees, as lossless WebP');
    await visit.setSlider('threshold', 0);
    await visit.says('verdict-head', 'Travelled to the server');
    assert.is(await visit.text('verdict-class'), '7');
    assert.match(await visit.text('verdict-words'), /\d+ bytes went to the server/);
    assert.match(await visit.text('stage-legend'), 'segments on the server');
    const widths = await visit.page.evaluate<number[]>(
      "[...document.querySelectorAll('#stages span')].map((slice) => parseFloat(slice.style.width))",
    );
    assert.ok(Math.abs(widths.reduce((sum, share) => sum + share, 0) - 100) < 0.1, `stages of ${widths}`);
    assert.equal(visit.complaints, []);
  },
);

visiting(
  'answers by itself when its link is cut, and from the server again when it is whole',
  async (visit) => {
    await visit.ready();
    await visit.setSlider('threshold', 0);
    await visit.setSlider('delay', 200);
    await visit.draw(seven);
    // What the device thinks is there before the server's answer.
    await visit.holds("document.querySelector('#road').dataset.way === 'under-way'");
    await visit.says('meter-words', 'has to travel');
    await visit.says('verdict-head', 'Travelled');
    const total = Number.parseFloat(await visit.text('total-ms'));
    assert.ok(total >= 200, `${total} ms over a link of 200`);
    await visit.setSlider('delay', 0);
    await visit.page.check('#cut-link');
    await visit.page.click('#sample');
    await visit.says('verdict-head', 'because the server could not');
    assert.match(await visit.text('verdict-words'), 'BUDGET_SPENT');
    await visit.holds("document.querySelector('#road').dataset.way === 'cut'");
    await visit.page.uncheck('#cut-link');
    await visit.page.click('#sample');
    await visit.says('verdict-head', 'Travelled');
    assert.equal(visit.complaints, []);
  },
);

visiting('runs many images, can be stopped, and shows the same in a table', async (visit) => {
  await visit.ready();
  assert.match(await visit.text('run-source'), 'models/samples');
  await visit.page.click('#run');
  await visit.says('run-words', 'Ran 500 images', 30_000);
  const last = await visit.page.evaluate<string[]>(
    "[...document.querySelectorAll('#run-table tr:last-child > *')].map((cell) => cell.textContent)",
  );
  note(`500 samples in the page: ${last.join(', ')}`);
  assert.is(last[0], '500');
  assert.ok(Number.parseFloat(last[1] ?? '') > 90, `${last[1]} right`);
  await visit.page.selectOption('#bundle', 'b-resnet-cifar10');
  await visit.ready();
  assert.not(await visit.page.isHidden('#rate-field'));
  await visit.setSlider('rate', 0);
  await visit.setSlider('threshold', 0);
  await visit.page.click('#sample');
  await visit.says('verdict-head', 'Travelled');
  assert.is(await visit.text('rate-value'), '4 of 16 channels');
  await visit.says('bytes-words', 'WebP');
  await visit.setSlider('delay', 400);
  await visit.page.click('#run');
  await visit.holds("document.querySelectorAll('#plot canvas').length === 1");
  await visit.page.click('#run');
  await visit.says('run-words', 'Stopped after');
  assert.equal(visit.complaints, []);
});

const schemes = ['light', 'dark'] as const;
for (const colorScheme of schemes) {
  visiting(
    `breaks no rule of accessibility that a program can check, ${colorScheme}, wide and narrow`,
    async (visit) => {
      await visit.ready();
      await visit.page.evaluate(axe);
      await visit.draw(seven);
      await visit.says('verdict-head', 'Left');
      await visit.page.click('#run');
      await visit.says('run-words', 'Ran', 30_000);
      for (const width of [1200, 400]) {
        await visit.page.setViewportSize({ width, height: 900 });
        const broken = await visit.page.evaluate<string[]>(
          `axe.run().then(({ violations }) => violations.map(({ id, nodes }) => [id, ...nodes.map(({ html }) => html)].join(' ')))`,
        );
        assert.equal(broken, [], `${width} px`);
        const overflow = await visit.page.evaluate<number>(
          'document.documentElement.scrollWidth - innerWidth',
        );
        assert.ok(overflow <= 0, `${overflow} px too wide at ${width}`);
      }
    },
    { colorScheme, viewport: { width: 1200, height: 900 }, reducedMotion: 'reduce' },
  );
}

visiting('can be used with the keyboard alone', async (visit) => {
  await visit.ready();
  await visit.page.focus('#pad');
  const press = async (key: string, times: number) => {
    for (let time = 0; time < times; time++) await visit.page.keyboard.press(key);
  };
  await press('ArrowUp', 12);
  await press('Shift+ArrowDown', 24);
  await visit.says('verdict-class', '1');
  await visit.page.focus('#sample');
  await visit.page.keyboard.press('Enter');
  await visit.holds("document.querySelector('#verdict-class').textContent.trim() !== '1'");
  await visit.page.focus('#threshold');
  await visit.page.keyboard.press('Home');
  await visit.says('verdict-head', 'Travelled');
});

visiting('shows what the camera sees until it is stopped, and says when it is refused', async (visit) => {
  await visit.ready();
  await visit.page.click('#camera');
  await visit.says('notice-words', 'The camera was refused');
  await visit.context.grantPermissions(['camera']);
  await visit.page.selectOption('#bundle', 'b-resnet-cifar10');
  await visit.ready();
  await visit.page.click('#camera');
  await visit.says('camera', 'Stop the camera');
  await visit.holds("document.querySelector('#verdict-class').textContent.trim() !== ''");
  await visit.page.click('#camera');
  assert.is(await visit.text('camera'), 'Camera');
});

visiting('runs nothing but its own scripts and styles', async (visit) => {
  await visit.ready();
  await visit.page.evaluate(`
    globalThis.stopped = [];
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => stopped.push(effectiveDirective));
    document.body.append(Object.assign(document.createElement('script'), { textContent: 'globalThis.ran = true' }));
    document.body.setAttribute('style', 'color: red');
    fetch('http://127.0.0.1:9/').catch(() => {});
  `);
  await visit.holds('stopped.length === 3');
  const stopped = await visit.page.evaluate<string[]>('stopped.sort()');
  assert.equal(stopped, ['connect-src', 'script-src-elem', 'style-src-attr']);
  assert.ok(await visit.page.evaluate('globalThis.ran === undefined && crossOriginIsolated'));
});

inWorld('asks for the token of its server, and keeps it out of every address', async ({ browser }) => {
  const token = 'a-token-that-is-in-no-address';
  const cloud = await startServer('cloud', ['--page'], { OFFRAMP_CLOUD_TOKEN: token });
  const context = await browser.newContext({ serviceWorkers: 'block' });
  const visit = new Visit(await context.newPage());
  const addresses: string[] = [];
  visit.page.on('request', (request) => addresses.push(request.url()));
  visit.page.on('websocket', (socket) => addresses.push(socket.url()));
  await visit.page.goto(`${cloud.url}/page/`);
  for (const [said, state] of [
    ['wrong', 'lost'],
    [token, 'connected'],
  ] as const) {
    await visit.holds("!document.querySelector('#token-form').hidden");
    await visit.says('connection-words', 'wants a token');
    await visit.page.fill('#token', said);
    await visit.page.click('#token-form button');
    await visit.ready(state);
  }
  assert.ok(await visit.page.isHidden('#token-form'));
  assert.equal(
    addresses.filter((address) => address.includes(token)),
    [],
  );
  assert.is(await visit.page.evaluate('localStorage.length'), 0);
  await context.close();
  await cloud.stop();
});

inWorld('is served by an edge daemon too, asks its server, and opens without either', async (world) => {
  const { browser, cloud } = world;
  const edge = await startServer('edge', ['--page', '--cloud', cloud.wsUrl]);
  const context = await browser.newContext();
  const visit = new Visit(await context.newPage());
  await visit.page.goto(`${edge.url}/page/`);
  await visit.ready();
  await visit.setSlider('threshold', 0);
  await visit.draw(seven);
  await visit.says('verdict-head', 'Travelled');
  assert.equal(visit.complaints, []);
  await visit.says('kept', 'Kept for offline use');
  await edge.stop();
  await context.setOffline(true);
  await visit.page.reload();
  await visit.says('connection-words', 'Edge-only');
  await visit.ready('lost');
  await visit.setSlider('threshold', 0);
  await visit.draw(seven);
  await visit.says('verdict-head', 'Answered here, to the last layer');
  assert.is(await visit.text('verdict-class'), '7');
  await context.close();
});

page('weighs little without the network and the runtime', async () => {
  const { folder } = await findPage();
  const { files }: { files: { path: string }[] } = JSON.parse(
    readFileSync(join(folder, 'site.json'), 'utf8'),
  );
  const own = files.filter(({ path }) => !/onnxruntime|ort\./.test(path));
  const sizes = own.map(({ path }) => gzipSync(readFileSync(join(folder, path)), { level: 9 }).length);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  note(`the page: ${total} bytes with gzip, in ${own.length} files`);
  assert.ok(total <= maxPageBytes, `${total} bytes`);
});

page.run();
