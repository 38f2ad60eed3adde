/** Picture files on their way through the daemon where images are sent (cut 0). */
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  Agent,
  type CloudLink,
  type ImageSource,
  type Offload,
  type PictureFile,
} from '../../edge/agent/index.ts';
import { httpApi } from '../../edge/daemon/http-api.ts';
import { pictureSource } from '../../edge/daemon/index.ts';
import { EdgeMetrics } from '../../edge/daemon/metrics.ts';
import { systemClock } from '../../shared/clock.ts';
import { OfframpError } from '../../shared/errors.ts';
import { decodeImage, httpAdmission, type ResizeMode } from '../../shared/host/index.ts';
import { pictureFormats } from '../../shared/protocol/index.ts';
import { rejectsCode } from '../protocol/expect.ts';
import { drawnImage, openRealBundle, runAlone, segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { greyFile } from '../support/pictures.ts';

const bundle = await openRealBundle();
const { shape } = bundle.manifest.input;
const pool = await startPool(segmentGraphs(bundle));
const [alone] = await runAlone(pool, bundle, [drawnImage(0)]);

function isFile(source: ImageSource): source is PictureFile {
  return !(source instanceof Uint8Array || typeof source === 'function');
}

const Sources = suite('a picture file as the agent takes it');

Sources('may be sent where a server would fit it as this device does', async () => {
  for (const format of pictureFormats) {
    const file = await greyFile(60, 40, format);
    const source = pictureSource(file, shape, 'cover');
    assert.ok(isFile(source));
    assert.is(source.file, file);
    assert.is(source.format, format);
    assert.equal(await source.decode(), await decodeImage(file, shape, 'cover'));
  }
});

Sources('is made to pixels here where the device fits it in another way', async () => {
  const file = await greyFile(60, 40, 'png');
  for (const resize of ['contain', 'fill'] as const) {
    const source = pictureSource(file, shape, resize);
    assert.ok(typeof source === 'function');
    assert.equal(await source(), await decodeImage(file, shape, resize));
  }
});

Sources('of no known format is read here, and refused', async () => {
  const source = pictureSource(await greyFile(28, 28, 'gif'), shape, 'cover');
  assert.ok(typeof source === 'function');
  await rejectsCode(source(), 'IMAGE_INVALID');
});

Sources.run();

/** A cloud that keeps what it is asked and answers all alike, or refuses. */
function daemon(resize: ResizeMode, refusal?: OfframpError) {
  const asked: Offload[] = [];
  const cloud: CloudLink = {
    connected: true,
    maxImageBytes: 10_000,
    async infer(offload) {
      asked.push(offload);
      if (refusal !== undefined) throw refusal;
      const logits = alone?.logits[1] ?? new Float32Array(0);
      const times = { queueMicros: 0, runMicros: 0, batchRows: 1, queuedRows: 0 };
      return { id: 1, exits: [1], logits, ...times, bytesSent: 99 };
    },
  };
  const agent = new Agent({
    ...{ bundle, runner: pool, cloud, clock: systemClock, cut: 0 },
    ...{ defaultBudgetMs: 5000, maxInFlight: 64 },
  });
  const gauges = {
    connected: () => true,
    inFlight: () => agent.inFlight,
    hedges: () => 0,
    lateAnswers: () => 0,
  };
  const api = httpApi({
    ...{
      agent,
      bundle,
      cloud: undefined,
      uplinks: [],
      metrics: new EdgeMetrics(gauges),
      resize,
      runner: pool,
    },
    ...{ admit: httpAdmission([], '127.0.0.1'), version: 'test', logger: pino({ level: 'silent' }) },
  });
  const post = async (type: string, body: Uint8Array) => {
    const headers = { 'content-type': type };
    const sent = { method: 'POST' as const, url: '/v1/classify', headers, payload: Buffer.from(body) };
    const response = await api.inject(sent);
    return { status: response.statusCode, json: response.json() };
  };
  return { asked, post };
}

const Daemon = suite('the daemon at cut 0');
Daemon.after(() => pool.close());

Daemon('passes an upload on unchanged, whatever it is said to be', async () => {
  const { asked, post } = daemon('cover');
  for (const format of pictureFormats) {
    const file = await greyFile(28, 28, format);
    const { status, json } = await post('image/png', file);
    assert.equal([status, json.answers[0].route, json.answers[0].bytesSent], [200, 'image', 99]);
    const offload = asked.at(-1);
    assert.equal([offload?.cut, offload?.format], [0, format]);
    assert.equal(new Uint8Array(offload?.rows[0] ?? []), file);
    assert.not('device' in json.answers[0], 'the device has said something of an image it did not look at');
  }
});

Daemon('passes on the files of a JSON body too, and raw pixels raw', async () => {
  const { asked, post } = daemon('cover');
  const file = await greyFile(28, 28, 'webp');
  const body = { images: [{ id: 'a', data: Buffer.from(file).toString('base64') }] };
  await post('application/json', Buffer.from(JSON.stringify(body)));
  assert.is(asked[0]?.format, 'webp');
  assert.equal(new Uint8Array(asked[0]?.rows[0] ?? []), file);
  await post('application/octet-stream', drawnImage(3));
  assert.is(asked[1]?.format, undefined);
  assert.equal(new Uint8Array(asked[1]?.rows[0] ?? []), drawnImage(3));
});

Daemon('sends pixels where it fits pictures in its own way', async () => {
  const { asked, post } = daemon('contain');
  const file = await greyFile(60, 40, 'png');
  await post('image/png', file);
  assert.is(asked[0]?.format, undefined);
  assert.equal(
    new Uint8Array(asked[0]?.rows[0] ?? []),
    new Uint8Array(await decodeImage(file, shape, 'contain')),
  );
});

Daemon('answers from a file itself when the cloud refuses', async () => {
  const { post } = daemon('cover', new OfframpError('BUSY', 'full'));
  const { status, json } = await post('image/png', await greyFile(28, 28, 'png'));
  assert.equal([status, json.answers[0].route, json.answers[0].reason], [200, 'exit', 'BUSY']);
  assert.ok(json.answers[0].stagesMs.prepare > 0);
});

Daemon('refuses a broken file as at any cut, though it was sent', async () => {
  const { post } = daemon('cover', new OfframpError('IMAGE_INVALID', 'Row 0: broken'));
  const file = await greyFile(28, 28, 'png');
  const { status, json } = await post('image/png', file.subarray(0, file.length - 30));
  assert.equal([status, json.error.code], [400, 'IMAGE_INVALID']);
});

Daemon.run();
