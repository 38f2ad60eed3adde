/**
 * What inference servers of others have said to our client, byte by byte, said again: the client still asks what it asked then,
 * and still understands the answers. How the recordings were made is in README.md.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type InferResponse, type ModelConfig, OipClient } from '../../cloud/oip-client/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { cleanUp, serveTcp } from '../cloud/oip-client/servers.ts';
import { openRealBundle, segmentGraphs, startPool } from '../runtime/real-bundle.ts';
import { skip } from '../support/data.ts';
import { calls, codes, type Recording, rows, withoutPort } from './calls.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
const servers = readdirSync(here).filter((name) => existsSync(join(here, name, 'recorded')));

function recordingOf(server: string, call: string): Recording {
  return JSON.parse(readFileSync(join(here, server, 'recorded', `${call}.json`), 'utf8'));
}

/** Bytes of the first whole HTTP request in a buffer; `undefined` while it is not whole. */
function requestLength(received: Buffer): number | undefined {
  const head = received.indexOf('\r\n\r\n');
  if (head === -1) return undefined;
  const [, length = '0'] = /\r\nContent-Length: (\d+)/i.exec(received.toString('latin1', 0, head)) ?? [];
  const end = head + 4 + Number(length);
  return received.length < end ? undefined : end;
}

interface Replayed {
  /** What the client asked. */
  readonly request: Buffer;
  /** What it made of the answer. */
  readonly result: unknown;
}

/** Makes a call at a server that answers with a recorded response whatever it is asked, a few bytes at a time. */
async function replay(call: string, recording: Recording): Promise<Replayed> {
  const requests: Buffer[] = [];
  const response = Buffer.from(recording.response, 'base64');
  const server = await serveTcp((socket) => {
    let received = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      received = Buffer.concat([received, chunk]);
      const length = requestLength(received);
      if (length === undefined) return;
      requests.push(received);
      for (let at = 0; at < response.length; at += 97) socket.write(response.subarray(at, at + 97));
    });
  });
  const client = new OipClient({ url: server.url, timeoutMs: 10_000 });
  try {
    const made = calls[call]?.(client, recording.encoding) ?? Promise.reject(new Error(`no call ${call}`));
    const result: unknown = await made.catch((thrown: unknown) => thrown);
    return { request: withoutPort(Buffer.concat(requests)), result };
  } finally {
    client.close();
    await cleanUp();
  }
}

/** The logits in a recorded answer, read without the client. */
function logitsOf({ response, encoding }: Recording): number[] {
  const bytes = Buffer.from(response, 'base64');
  if (encoding === 'binary') {
    return Array.from({ length: rows * 10 }, (_, at) => bytes.readFloatLE(bytes.length - rows * 40 + at * 4));
  }
  const body = JSON.parse(bytes.toString('utf8', bytes.indexOf('\r\n\r\n') + 4));
  return body.outputs[0].data;
}

const Replay = suite('recorded inference servers');

Replay('are those of the folders here', () => {
  assert.equal(servers, ['mlserver', 'triton']);
  for (const server of servers) {
    const recorded = readdirSync(join(here, server, 'recorded')).map((file) => file.replace('.json', ''));
    assert.equal(recorded.sort(), Object.keys(calls).sort(), server);
  }
});

for (const server of servers) {
  Replay(`are asked as ${server} was asked, byte by byte`, async () => {
    for (const call of Object.keys(calls)) {
      const recording = recordingOf(server, call);
      const { request } = await replay(call, recording);
      const expected = Buffer.from(recording.request, 'base64');
      assert.is(request.toString('latin1'), expected.toString('latin1'), call);
    }
  });

  Replay(`are understood as ${server} was: what it is, and what its model is`, async () => {
    const said = async (call: string) => (await replay(call, recordingOf(server, call))).result;
    const { name } = (await said('server-metadata')) as { readonly name: string };
    assert.is(name, server);
    assert.is(await said('model-ready'), true);
    const { inputs, outputs } = (await said('model-metadata')) as {
      readonly inputs: unknown;
      readonly outputs: unknown;
    };
    assert.equal(inputs, [{ name: 'codes', datatype: 'UINT8', shape: [-1, 6, 4, 4] }]);
    assert.equal(outputs, [{ name: 'logits', datatype: 'FP32', shape: [-1, 10] }]);
  });

  Replay(`give the logits that ${server} gave`, async () => {
    const recording = recordingOf(server, 'infer');
    const { model, version, id, outputs } = (await replay('infer', recording)).result as InferResponse;
    assert.equal([model, version, id], ['b-lenet-mnist-s1', '1', 'recorded-1']);
    const [logits] = outputs;
    assert.equal([logits?.name, logits?.datatype, logits?.shape], ['logits', 'FP32', [rows, 10]]);
    const values = Array.from(logits?.data ?? [], Number);
    assert.equal(values, logitsOf(recording));
  });

  Replay(`are refused as ${server} refused, with its words`, async () => {
    const { result } = await replay('infer-error', recordingOf(server, 'infer-error'));
    assert.instance(result, OfframpError);
    const { code, message } = OfframpError.from(result);
    assert.is(code, 'REQUEST_INVALID');
    assert.match(message, /codes/);
  });
}

Replay('say which graph Triton had, and that MLServer could not', async () => {
  assert.match(await recordedGraph(), /^[0-9a-f]{64}$/);
  const none = (await replay('model-config', recordingOf('mlserver', 'model-config'))).result;
  assert.is(OfframpError.from(none).code, 'NOT_FOUND');
});

Replay('gave logits that the segment still gives, while it is the same graph', async () => {
  const bundle = await openRealBundle();
  if (bundle.manifest.segments[1]?.sha256 !== (await recordedGraph())) {
    return skip('the recordings are of another version of b-lenet-mnist; see test/interop/README.md');
  }
  const graphs = segmentGraphs(bundle);
  const pool = await startPool(graphs);
  try {
    const local = (await pool.run(graphs[1]?.key ?? '', new Uint8Array(codes), rows)).outputs[0] ?? [];
    for (const server of servers) {
      const recorded = logitsOf(recordingOf(server, 'infer'));
      assert.is(recorded.length, local.length);
      for (const [at, value] of recorded.entries()) {
        assert.ok(
          Math.abs(value - (local[at] ?? Number.NaN)) < 1e-4,
          `${server}, logit ${at}: ${value}, ${local[at]}`,
        );
      }
    }
  } finally {
    await pool.close();
  }
});

/** SHA-256 of the graph that answered. */
async function recordedGraph(): Promise<string> {
  const { result } = await replay('model-config', recordingOf('triton', 'model-config'));
  const { parameters } = result as ModelConfig;
  return parameters?.sha256?.string_value ?? '';
}

Replay.run();
