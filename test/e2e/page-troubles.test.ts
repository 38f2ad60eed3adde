/** What the page does with pictures that are none, without a camera, and where a part of it cannot be loaded. */
import { truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Route } from 'playwright-core';
import sharp from 'sharp';
import * as assert from 'uvu/assert';
import { temporaryFolder } from './images.ts';
import type { Visit } from './page-visit.ts';
import { pageSuite } from './page-world.ts';

const noPicture = 'no picture that this browser can read';

const { page, visiting } = pageSuite('the page in trouble');

/** A black one on white, as large as asked for. */
function photographOf(width: number, height: number): Promise<Buffer> {
  const ink = { width: Math.round(width / 12), height: Math.round(0.7 * height), channels: 3 as const };
  return sharp({ create: { width, height, channels: 3, background: '#fff' } })
    .composite([{ input: { create: { ...ink, background: '#000' } } }])
    .jpeg()
    .toBuffer();
}

/** Until the sentence is there, and another picture is answered after it. */
async function goesOn(visit: Visit, words: string): Promise<void> {
  await visit.says('notice-words', words);
  assert.not(await visit.page.isHidden('#notice'));
  await visit.page.click('#notice-close');
  await visit.page.click('#clear');
  await visit.page.click('#sample');
  await visit.holds("/[0-9]/.test(document.querySelector('#verdict-class').textContent)");
  assert.ok(await visit.page.isHidden('#notice'));
}

visiting('says what is wrong with a file, and goes on', async (visit) => {
  await visit.ready();
  await visit.file('notes.txt', 'text/plain', Buffer.from('no picture'));
  await goesOn(visit, noPicture);
  await visit.file('broken.png', 'image/png', Buffer.from('no picture'));
  await goesOn(visit, noPicture);
  const large = join(temporaryFolder(), 'large.jpg');
  writeFileSync(large, '');
  truncateSync(large, 65 * 2 ** 20);
  await visit.page.setInputFiles('#file', large);
  await goesOn(visit, 'too large');
  assert.equal(visit.complaints, []);
});

visiting('takes a photograph of 50 million pixels', async (visit) => {
  await visit.ready();
  const photograph = await photographOf(8200, 6100);
  await visit.file('photograph.jpg', 'image/jpeg', photograph);
  await visit.says('verdict-class', '1');
  await visit.says('bytes-words', `${photograph.length.toLocaleString('en')} bytes`);
  assert.ok(await visit.page.isHidden('#notice'));
  assert.equal(visit.complaints, []);
});

interface Dropped {
  readonly files?: readonly string[];
  readonly text?: string;
}

/** Drops onto the middle of the pad as a hand would, from outside the browser. */
async function drop(visit: Visit, { files = [], text }: Dropped): Promise<void> {
  const box = await visit.page.locator('#pad').boundingBox();
  if (box === null) throw new Error('the pad is not to be seen');
  const place = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const items = text === undefined ? [] : [{ mimeType: 'text/plain', data: text }];
  const session = await visit.context.newCDPSession(visit.page);
  for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
    const data = { items, files: [...files], dragOperationsMask: 1 };
    await session.send('Input.dispatchDragEvent', { type, ...place, data });
  }
  await session.detach();
}

visiting('takes a picture that is dropped, and says that a text is none', async (visit) => {
  await visit.ready();
  const folder = temporaryFolder();
  const [picture, notes] = [join(folder, 'one.jpg'), join(folder, 'notes.txt')];
  writeFileSync(picture, await photographOf(600, 600));
  writeFileSync(notes, 'no picture');
  await drop(visit, { files: [picture] });
  await visit.says('verdict-class', '1');
  await visit.holds("!document.querySelector('#stage').classList.contains('over')");
  await drop(visit, { files: [notes] });
  await goesOn(visit, noPicture);
  await drop(visit, { text: 'no picture' });
  await goesOn(visit, noPicture);
  await drop(visit, { files: [notes, picture] });
  await visit.says('verdict-class', '1');
  assert.equal(visit.complaints, []);
});

/** A one of 200 by 200 pixels, on the clipboard. */
const copyPicture = `(async () => {
  const canvas = new OffscreenCanvas(200, 200);
  const context = canvas.getContext('2d');
  context.fillStyle = '#fff';
  context.fillRect(0, 0, 200, 200);
  context.fillStyle = '#000';
  context.fillRect(92, 30, 16, 140);
  const png = await canvas.convertToBlob();
  await navigator.clipboard.write([new ClipboardItem({ 'image/png': png })]);
})()`;

visiting('takes a picture that is pasted, and says that a text is none', async (visit) => {
  await visit.ready();
  await visit.context.grantPermissions(['clipboard-read', 'clipboard-write']);
  await visit.page.bringToFront();
  await visit.page.evaluate(copyPicture);
  await visit.page.keyboard.press('Control+V');
  await visit.says('verdict-class', '1');
  await visit.says('bytes-words', 'The file that you chose');
  await visit.page.evaluate("navigator.clipboard.writeText('no picture')");
  await visit.page.keyboard.press('Control+V');
  await goesOn(visit, noPicture);
  assert.equal(visit.complaints, []);
});

visiting('says that there is no camera, and goes on', async (visit) => {
  await visit.ready();
  await visit.context.grantPermissions(['camera']);
  await visit.page.click('#camera');
  await goesOn(visit, 'This device has no camera');
  assert.is(await visit.text('camera'), 'Camera');
});

/** A test with a page of which something fails at first, and that starts when it is asked to try again. */
function failing(
  name: string,
  words: string,
  address: string,
  fail: (route: Route) => Promise<unknown>,
): void {
  visiting(
    name,
    async (visit) => {
      await visit.says('notice-words', words);
      assert.is(await visit.text('connection-words'), 'Not running');
      await visit.page.unroute(address);
      await visit.page.click('#notice-retry');
      await visit.ready();
      await visit.page.click('#sample');
      await visit.holds("/[0-9]/.test(document.querySelector('#verdict-class').textContent)");
      assert.ok(await visit.page.isHidden('#notice'));
    },
    { before: ({ page: own }) => own.route(address, fail) },
  );
}

failing(
  'says that WebAssembly is blocked by a policy',
  'a setting or an extension of this browser blocks it',
  '**/worker-*.js',
  async (route) => {
    const response = await route.fetch();
    const headers = response.headers();
    const policy = headers['content-security-policy']?.replace(" 'wasm-unsafe-eval'", '') ?? '';
    await route.fulfill({ response, headers: { ...headers, 'content-security-policy': policy } });
  },
);

failing(
  'says that the files of WebAssembly are not there',
  'WebAssembly, which the network needs, did not start: its files cannot be loaded',
  '**/*.wasm',
  (route) => route.fulfill({ status: 404, body: 'nothing here' }),
);

failing(
  'says that the server has gone before its network was loaded',
  'The network could not be loaded: the server of this page does not answer',
  '**/models/**',
  (route) => route.abort(),
);

failing('says that its worker cannot be loaded', "The page's worker failed", '**/worker-*.js', (route) =>
  route.abort(),
);

failing(
  'says that its server does not answer',
  'The server of this page does not answer',
  '**/config.json',
  (route) => route.abort(),
);

page.run();
