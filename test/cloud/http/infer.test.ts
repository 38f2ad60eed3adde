import { deflateSync, gunzipSync, gzipSync, inflateSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { InferenceHost, InferenceWork, SegmentWork, WholeAnswer } from '../../../cloud/http/index.ts';
import { parseBatchingPolicy } from '../../../cloud/index.ts';
import { OfframpError } from '../../../shared/errors.ts';
import { argmax } from '../../../shared/exits/index.ts';
import { until, within } from '../../protocol/expect.ts';
import { drawnImage, runAlone, segmentGraphs, stack, startPool } from '../../runtime/real-bundle.ts';
import { HeldRunner, sureLogits } from '../engine-source.ts';
import {
  bundle,
  httpLimits,
  post,
  rawSocket,
  second,
  served,
  startApi,
  stopAll,
  whole,
  withBinary,
} from './api-source.ts';

const shared = await startApi();
const wholeUrl = `${shared.url}/v2/models/${whole.name}/infer`;
const { classes } = served;

const images = (count: number, first = 0) => Array.from({ length: count }, (_, at) => drawnImage(first + at));
const imageInput = (rows: number) => ({ name: 'image', shape: [rows, 28, 28, 1], datatype: 'UINT8' });

/** What each image gets when it runs alone. */
const pool = await startPool(segmentGraphs(bundle));
const reference = (await runAlone(pool, bundle, images(40))).map(({ logits, entropy }) => {
  const exit = entropy < (bundle.exit(0).threshold ?? 0) ? 0 : 1;
  return { exit, label: argmax(logits[exit] ?? []) };
});
await pool.close();

interface Tensor {
  readonly shape: readonly number[];
  readonly datatype: string;
  readonly data: readonly number[];
}

/** The outputs of a response by name, binary ones as numbers too. */
function outputsOf(bytes: Buffer, headerBytes = bytes.length): Map<string, Tensor> {
  const { outputs } = JSON.parse(bytes.subarray(0, headerBytes).toString());
  let at = headerBytes;
  return new Map(
    outputs.map(
      ({
        name,
        shape,
        datatype,
        data,
        parameters,
      }: Tensor & { name: string; parameters?: { binary_data_size: number } }) => {
        if (parameters === undefined) return [name, { shape, datatype, data }];
        const own = new Uint8Array(bytes.subarray(at, at + parameters.binary_data_size)).buffer;
        at += parameters.binary_data_size;
        const values =
          datatype === 'INT64'
            ? Array.from(new BigInt64Array(own), Number)
            : Array.from(new Float32Array(own));
        return [name, { shape, datatype, data: values }];
      },
    ),
  );
}

function checkRows(outputs: Map<string, Tensor>, count: number): void {
  const expected = reference.slice(0, count);
  assert.equal(
    outputs.get('label')?.data,
    expected.map(({ label }) => label),
  );
  assert.equal(
    outputs.get('exit')?.data,
    expected.map(({ exit }) => exit),
  );
  assert.equal(outputs.get('logits')?.shape, [count, classes]);
  assert.equal(outputs.get('label')?.shape, [count]);
}

const Infer = suite('inference');

Infer('as JSON gives each image its label and its exit, and the id back', async () => {
  const data = images(3).flatMap((image) => Array.from(image));
  const { status, headers, bytes, json } = await post(wholeUrl, {
    id: 'a-1',
    inputs: [{ ...imageInput(3), data }],
  });
  assert.is(status, 200, bytes.toString());
  assert.match(headers.get('content-type') ?? '', /^application\/json/);
  assert.is(headers.get('inference-header-content-length'), null);
  assert.equal([json().model_name, json().model_version, json().id], [whole.name, '1', 'a-1']);
  checkRows(outputsOf(bytes), 3);
});

Infer('as binary data gives the same, and more rows than a batch holds in their order', async () => {
  const { body, headers } = withBinary(
    {
      inputs: [{ ...imageInput(40), parameters: { binary_data_size: 40 * 784 } }],
      parameters: { binary_data_output: true },
    },
    stack(images(40)),
  );
  const answer = await post(wholeUrl, body, headers);
  assert.is(answer.status, 200, answer.bytes.toString());
  assert.is(answer.headers.get('content-type'), 'application/octet-stream');
  checkRows(outputsOf(answer.bytes, Number(answer.headers.get('inference-header-content-length'))), 40);
});

Infer('takes bare bytes as rows, whatever they are labelled', async () => {
  for (const type of ['application/json', 'application/octet-stream', 'text/plain', 'image/png']) {
    const headers = { 'inference-header-content-length': '0', 'content-type': type };
    const answer = await post(wholeUrl, stack(images(2)), headers);
    checkRows(outputsOf(answer.bytes, Number(answer.headers.get('inference-header-content-length'))), 2);
  }
});

Infer('takes and gives packed bodies; the header length is that of what is inside', async () => {
  const json = {
    inputs: [{ ...imageInput(40), parameters: { binary_data_size: 40 * 784 } }],
    parameters: { binary_data_output: true },
  };
  const { body, headers } = withBinary(json, stack(images(40)));
  for (const [coding, pack, unpack] of [
    ['gzip', gzipSync, gunzipSync],
    ['deflate', deflateSync, inflateSync],
  ] as const) {
    // fetch unpacks by itself, so the answer is taken from the socket.
    const packed = pack(body);
    const socket = await rawSocket(shared.port);
    let answer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
    });
    socket.write(
      `POST /v2/models/${whole.name}/versions/1/infer HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Encoding: ${coding}\r\n` +
        `Accept-Encoding: ${coding}\r\nContent-Length: ${packed.length}\r\n` +
        `Inference-Header-Content-Length: ${headers['inference-header-content-length']}\r\n\r\n`,
    );
    socket.write(packed);
    await within(10_000, new Promise((resolve) => socket.once('close', resolve)));
    const end = answer.indexOf('\r\n\r\n');
    const head = answer.subarray(0, end).toString().toLowerCase();
    assert.ok(head.startsWith('http/1.1 200'), head);
    assert.ok(head.includes(`content-encoding: ${coding}`), head);
    assert.ok(head.includes('vary: accept-encoding'), head);
    const inner = Number(/inference-header-content-length: (\d+)/.exec(head)?.[1]);
    checkRows(outputsOf(unpack(answer.subarray(end + 4)), inner), 40);
  }
});

Infer('of a segment gives its outputs for every row', async () => {
  const first = `${shared.url}/v2/models/${served.id}-s0/infer`;
  const { bytes } = await post(first, stack(images(5)), { 'inference-header-content-length': '0' });
  const length = JSON.parse(bytes.subarray(0, bytes.indexOf('}]}') + 3).toString());
  assert.equal(
    length.outputs.map(({ name, shape }: { name: string; shape: number[] }) => [name, shape]),
    [
      ['logits', [5, classes]],
      ['codes', [5, 6, 4, 4]],
    ],
  );
  const codes = bytes.subarray(-5 * 96);
  const data = Array.from(codes);
  const then = await post(`${shared.url}/v2/models/${second.name}/infer`, {
    inputs: [{ name: 'codes', shape: [5, 6, 4, 4], datatype: 'UINT8', data }],
  });
  const logits = outputsOf(then.bytes).get('logits')?.data ?? [];
  for (const [row, { exit, label }] of reference.slice(0, 5).entries()) {
    if (exit === 1) assert.is(argmax(logits.slice(row * classes, (row + 1) * classes)), label);
  }
  assert.is(logits.length, 5 * classes);
});

Infer('of many callers at once gives each its own rows', async () => {
  await Promise.all(
    Array.from({ length: 30 }, async (_, index) => {
      const count = 1 + (index % 3);
      const { bytes } = await post(wholeUrl, {
        id: `caller-${index}`,
        inputs: [{ ...imageInput(count), data: images(count, index).flatMap((image) => Array.from(image)) }],
        outputs: [{ name: 'label' }],
      });
      const expected = reference.slice(index, index + count).map(({ label }) => label);
      assert.is(JSON.parse(bytes.toString()).id, `caller-${index}`);
      assert.equal(outputsOf(bytes).get('label')?.data, expected);
    }),
  );
});

Infer('counts requests, rows and times', async () => {
  const before = shared.statistics.of(whole.name);
  const { bytes } = await post(wholeUrl, stack(images(5)), { 'inference-header-content-length': '0' });
  assert.ok(bytes.length > 0);
  await post(wholeUrl, 'no request');
  const after = shared.statistics.of(whole.name);
  assert.is(after.inference_count - before.inference_count, 5);
  assert.is(after.inference_stats.success.count - before.inference_stats.success.count, 1);
  assert.is(after.inference_stats.fail.count, before.inference_stats.fail.count);
  const { success, queue, compute_input, compute_infer, compute_output } = after.inference_stats;
  const parts = [queue, compute_input, compute_infer, compute_output].reduce((sum, { ns }) => sum + ns, 0);
  assert.ok(parts > 0 && parts <= success.ns * 1.05, `${parts} of ${success.ns} ns`);
  assert.ok(Math.abs(after.last_inference - Date.now()) < 60_000);
});

Infer.run();

/** A host that keeps what it is asked and answers with what the test wants. */
function scripted(
  answer: (work: InferenceWork) => Promise<WholeAnswer>,
): InferenceHost & { readonly works: InferenceWork[] } {
  const works: InferenceWork[] = [];
  return {
    works,
    inferWhole(work) {
      works.push(work);
      return answer(work);
    },
    inferSegment: (_work: SegmentWork) => Promise.reject(new Error('no segments here')),
  };
}

const sure = (rows: number): WholeAnswer => ({
  exits: new Array<number>(rows).fill(0),
  logits: new Float32Array(rows * classes).fill(1),
  degradedRows: 0,
  queueMicros: 5,
  runMicros: 7,
});
const bare = { 'inference-header-content-length': '0' };
const oneImage = drawnImage(0);

const Host = suite('what the host is asked and answers');

Host('is the budget, the priority and the caller of the request', async () => {
  const host = scripted(async ({ rows }) => sure(rows));
  const { url } = await startApi({ host, identify: () => ({ name: 'cam-7', begin() {}, end() {} }) });
  const inputs = [{ ...imageInput(1), data: Array.from(oneImage) }];
  const place = `${url}/v2/models/${whole.name}/infer`;
  await post(place, { inputs, parameters: { timeout: 250_000, priority: 1 } });
  await post(place, oneImage, bare);
  const [first, other] = host.works;
  assert.equal([first?.budgetMs, first?.priority, first?.rows], [250, 1, 1]);
  assert.match(first?.client ?? '', 'cam-7');
  assert.is(first?.timeoutMicros, undefined);
  assert.equal([other?.budgetMs, other?.priority], [httpLimits.httpBudgetMs, undefined]);
  assert.equal(Uint8Array.from(other?.tensor ?? []), oneImage);
});

Host('is the timeout of the request as well, where its queue takes one', async () => {
  const host = scripted(async ({ rows }) => sure(rows));
  const queue = { default_queue_policy: { allow_timeout_override: true } };
  const own = parseBatchingPolicy({ dynamic_batching: queue }, 'test');
  const { url } = await startApi({ host, policyOf: () => own });
  const inputs = [{ ...imageInput(1), data: Array.from(oneImage) }];
  await post(`${url}/v2/models/${whole.name}/infer`, { inputs, parameters: { timeout: 250_000 } });
  const [work] = host.works;
  assert.equal([work?.budgetMs, work?.timeoutMicros], [httpLimits.httpBudgetMs, 250_000]);
});

Host('is passed on: rows that were cut short are told', async () => {
  const host = scripted(async ({ rows }) => ({ ...sure(rows), degradedRows: 2 }));
  const { url } = await startApi({ host });
  const inputs = [{ ...imageInput(3), data: images(3).flatMap((image) => Array.from(image)) }];
  const { json } = await post(`${url}/v2/models/${whole.name}/infer`, { inputs });
  assert.equal(json().parameters, { degraded_rows: 2 });
});

Host('makes a logit that is no number an error, not an answer', async () => {
  const host = scripted(async ({ rows }) => {
    const answer = sure(rows);
    answer.logits[3] = Number.NaN;
    return answer;
  });
  const { url, statistics } = await startApi({ host });
  const { status, json } = await post(`${url}/v2/models/${whole.name}/infer`, oneImage, bare);
  assert.equal([status, json().code], [500, 'RUNTIME_FAILED']);
  assert.is(statistics.of(whole.name).inference_stats.fail.count, 1);
});

Host('keeps its reasons to itself when they are none of ours', async () => {
  const host = scripted(async () => {
    throw new Error('/etc/secret/path');
  });
  const { url, refusals } = await startApi({ host });
  const { status, json, bytes } = await post(`${url}/v2/models/${whole.name}/infer`, oneImage, bare);
  assert.equal([status, json().code], [500, 'INTERNAL']);
  assert.not.ok(bytes.includes('secret'));
  assert.equal(refusals, ['INTERNAL']);
});

Host('says BUSY with when to come again', async () => {
  const host = scripted(async () => {
    throw new OfframpError('BUSY', 'full', { retryAfterMs: 1500 });
  });
  const { url } = await startApi({ host });
  const { status, json, headers } = await post(`${url}/v2/models/${whole.name}/infer`, oneImage, bare);
  assert.equal([status, json().code, headers.get('retry-after')], [503, 'BUSY', '2']);
});

Host.after.each(async () => {
  shared.refusals.length = 0;
});
Host.run();

const Callers = suite('callers');

Callers('that go away take their rows out of the queue', async () => {
  const runner = new HeldRunner();
  const { api, port } = await startApi({ runner });
  const head = `POST /v2/models/${whole.name}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 784\r\nInference-Header-Content-Length: 0\r\n\r\n`;
  const sockets = [await rawSocket(port), await rawSocket(port)];
  for (const socket of sockets) {
    socket.write(head);
    socket.write(oneImage);
    const before = api.inFlight;
    await until(() => api.inFlight > before || runner.runs.length > 0);
  }
  await until(() => api.inFlight === 2 && runner.runs.length === 1);
  sockets[1]?.destroy();
  await until(() => api.inFlight === 1);
  runner.runs[0]?.finish(sureLogits(served, 1));
  const [first] = sockets;
  const answer = await within(5000, new Promise<Buffer>((resolve) => first?.once('data', resolve)));
  assert.ok(answer.toString().startsWith('HTTP/1.1 200'));
  await until(() => api.inFlight === 0);
  assert.is(runner.runs.length, 1, 'the rows of the one that left were run');
  first?.destroy();
});

Callers('take turns connection by connection, whatever they are called', async () => {
  const runner = new HeldRunner();
  const { url, api } = await startApi({ runner });
  const place = `${url}/v2/models/${whole.name}/infer`;
  // Five batches of the largest size, of which one runs, and one that is smaller.
  const many = post(place, stack(images(80)), bare);
  await until(() => runner.runs.length === 1);
  const few = post(place, stack(images(15)), bare);
  await until(() => api.inFlight === 2);
  for (let run = 0; run < 6; run++) {
    await until(() => runner.runs.length > run);
    runner.runs[run]?.finish(sureLogits(served, runner.runs[run]?.rows ?? 0));
  }
  assert.equal([(await many).status, (await few).status], [200, 200]);
  assert.equal(
    runner.runs.map(({ rows }) => rows),
    [16, 16, 15, 16, 16, 16],
  );
});

Callers('that leave in the middle of a body leave nothing behind', async () => {
  const { api, port } = await startApi({ runner: new HeldRunner() });
  const socket = await rawSocket(port);
  socket.write(`POST /v2/models/${whole.name}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 784\r\n\r\n`);
  socket.write(oneImage.subarray(0, 100));
  await until(() => api.inFlight === 1);
  socket.destroy();
  await until(() => api.inFlight === 0);
});

Callers('are answered with the reason when the server gives up', async () => {
  const runner = new HeldRunner();
  const { api, url } = await startApi({ runner });
  const waiting = post(`${url}/v2/models/${whole.name}/infer`, oneImage, bare);
  await until(() => runner.runs.length === 1);
  api.giveUp(new OfframpError('DRAINING', 'This server is stopping'));
  const { status, json, headers } = await within(5000, waiting);
  assert.equal([status, json().code, headers.get('connection')], [503, 'DRAINING', 'close']);
  assert.is(api.inFlight, 0);
});

Callers('begin and end each request once, and not one that is no request', async () => {
  const calls: string[] = [];
  const caller = {
    name: 'c',
    begin: (rows: number) => calls.push(`begin ${rows}`),
    end: () => calls.push('end'),
  };
  const host = scripted(async ({ rows }) => sure(rows));
  const { url } = await startApi({ host, identify: () => caller });
  const place = `${url}/v2/models/${whole.name}/infer`;
  await post(place, stack(images(2)), bare);
  await post(place, 'nonsense');
  assert.equal(calls, ['begin 2', 'end']);
});

Callers('beyond what their token allows are RATE_LIMITED, and nothing is computed', async () => {
  const host = scripted(async ({ rows }) => sure(rows));
  let ended = 0;
  const identify = () => ({
    name: 'c',
    begin() {
      throw new OfframpError('RATE_LIMITED', 'too fast', { retryAfterMs: 10 });
    },
    end: () => ended++,
  });
  const { url } = await startApi({ host, identify });
  const { status, json, headers } = await post(`${url}/v2/models/${whole.name}/infer`, oneImage, bare);
  assert.equal([status, json().code, headers.get('retry-after')], [429, 'RATE_LIMITED', '1']);
  assert.equal([host.works.length, ended], [0, 0]);
});

Callers.run();

const Bounds = suite('bounds');

Bounds('hold before a body is read: by its declared length, and in chunks as it comes', async () => {
  const { url, port } = await startApi({ runner: new HeldRunner() });
  const { maxBodyBytes } = whole;
  const declared = await rawSocket(port);
  declared.write(
    `POST /v2/models/${whole.name}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: ${maxBodyBytes + 1}\r\n\r\n`,
  );
  const answer = await within(5000, new Promise<Buffer>((resolve) => declared.once('data', resolve)));
  assert.ok(answer.toString().startsWith('HTTP/1.1 413'), answer.toString());
  assert.ok(answer.toString().includes('REQUEST_TOO_LARGE'));
  await within(5000, new Promise((resolve) => declared.once('close', resolve)));

  // Not endless: once refused, fetch may read what is left of it without letting anything else run.
  let leftBytes = maxBodyBytes * 32;
  const stream = new ReadableStream({
    pull(controller) {
      if (leftBytes <= 0) return controller.close();
      controller.enqueue(new Uint8Array(65_536));
      leftBytes -= 65_536;
    },
  });
  const response = await fetch(`${url}/v2/models/${whole.name}/infer`, {
    method: 'POST',
    body: stream,
    // @ts-expect-error: missing in the types, needed by fetch for a body that is a stream.
    duplex: 'half',
  }).catch((thrown: unknown) => thrown);
  // The server closes while the caller still writes, so that the answer may be lost on its way.
  if (response instanceof Response) assert.is(response.status, 413);
});

Bounds('hold for what a packed body becomes', async () => {
  const bomb = gzipSync(Buffer.alloc(whole.maxBodyBytes + 1, 0x20));
  const { status, json } = await post(wholeUrl, bomb, { 'content-encoding': 'gzip' });
  assert.equal([status, json().code], [413, 'REQUEST_TOO_LARGE']);
});

Bounds('hold for requests at a time, and let the next in when one is done', async () => {
  const runner = new HeldRunner();
  const { url, api } = await startApi({ runner, limits: { ...httpLimits, maxHttpRequests: 2 } });
  const place = `${url}/v2/models/${whole.name}/infer`;
  const waiting = [post(place, oneImage, bare), post(place, oneImage, bare)];
  await until(() => api.inFlight === 2);
  const { status, json, headers } = await post(place, oneImage, bare);
  assert.equal([status, json().code, headers.get('retry-after')], [503, 'BUSY', '1']);
  await until(() => runner.runs.length === 1);
  runner.runs[0]?.finish(sureLogits(served, 1));
  await within(5000, Promise.race(waiting));
  await until(() => api.inFlight === 1);
  const next = post(place, oneImage, bare);
  for (let run = 1; api.inFlight > 0; run++) {
    await until(() => runner.runs.length > run);
    runner.runs[run]?.finish(sureLogits(served, runner.runs[run]?.rows ?? 1));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  assert.is((await within(5000, next)).status, 200);
});

Bounds('hold for a caller that does not read its answer: it is disconnected', async () => {
  // More than the buffers of both ends hold.
  const logits = new Float32Array(4_000_000);
  const host = scripted(async () => ({ ...sure(1), logits }));
  const { api, port, connections } = await startApi({ host, limits: { ...httpLimits, idleTimeoutMs: 500 } });
  const socket = await rawSocket(port);
  socket.pause();
  socket.write(
    `POST /v2/models/${whole.name}/infer HTTP/1.1\r\nHost: x\r\nContent-Length: 784\r\nInference-Header-Content-Length: 0\r\n\r\n`,
  );
  socket.write(oneImage);
  await until(() => host.works.length === 1);
  await until(() => api.inFlight === 0, 20_000);
  assert.is(await connections(), 0);
  assert.not.ok(socket.destroyed);
  socket.destroy();
});

Bounds.after(stopAll);
Bounds.run();
