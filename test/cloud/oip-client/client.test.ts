/** The calls of the client, and what it makes of servers that refuse, lie, dawdle and die. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { InferRequest, OipClient } from '../../../cloud/oip-client/index.ts';
import type { ErrorCode } from '../../../shared/errors.ts';
import { within } from '../../protocol/expect.ts';
import { haveOpenssl, makeAuthority, makeCertificate, noOpenssl } from '../../support/certificates.ts';
import { skip } from '../../support/data.ts';
import {
  answer,
  cleanUp,
  clientOf,
  type Handler,
  listen,
  type Received,
  refusal,
  serveHttp,
  serveTcp,
  wholeRequests,
} from './servers.ts';

const request: InferRequest = {
  model: 'm',
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [1, 1], data: Uint8Array.of(1) }],
};
const honestAnswer = {
  model_name: 'm',
  outputs: [{ name: 'y', datatype: 'FP32', shape: [1], parameters: { binary_data_size: 4 } }],
};
const four = new Uint8Array(Float32Array.of(4).buffer);
const honest: Handler = (_request, response) => answer(response, honestAnswer, four);

const metadata = {
  name: 'm',
  versions: ['1'],
  platform: 'onnxruntime_onnx',
  inputs: [{ name: 'x', datatype: 'UINT8', shape: [-1, 1] }],
  outputs: [{ name: 'y', datatype: 'FP32', shape: [-1] }],
};
const count = { count: 1, ns: 2 };
const statistics = {
  model_stats: [
    {
      ...{ name: 'm', version: '1', last_inference: 0, inference_count: 3, execution_count: 2 },
      inference_stats: { success: count },
    },
  ],
};

/** What a server with one model says, by method and path. */
const documents: Readonly<Record<string, unknown>> = {
  'GET /v2': { name: 'test', version: '1', extensions: ['binary_tensor_data'] },
  'GET /v2/health/live': { live: true },
  'GET /v2/health/ready': { live: true, ready: true },
  'GET /v2/models/m': metadata,
  'GET /v2/models/m/versions/1': metadata,
  'GET /v2/models/m/ready': { name: 'm', ready: true },
  'GET /v2/models/m/config': { name: 'm', max_batch_size: 8, parameters: { k: { string_value: 'v' } } },
  'GET /v2/models/m/stats': statistics,
  'GET /v2/models/stats': statistics,
  'POST /v2/repository/index': [{ name: 'm', version: '1', state: 'READY', reason: '' }],
};

const Calls = suite('calls of the client');
Calls.after.each(cleanUp);

Calls('give what the server says of itself and its models', async () => {
  const asked: Received[] = [];
  const server = await serveHttp((one, response) => {
    asked.push(one);
    const document = documents[`${one.method} ${one.path}`];
    if (document === undefined) response.writeHead(404).end('{"error":"nothing here"}');
    else answer(response, document);
  });
  const client = clientOf(server);
  assert.is(client.origin, server.url);
  assert.ok(await client.isServerLive());
  assert.ok(await client.isServerReady());
  assert.ok(await client.isModelReady('m'));
  assert.not(await client.isModelReady('n'));
  assert.not(await client.isModelReady('m', { version: '9' }));
  assert.equal(await client.serverMetadata(), documents['GET /v2']);
  assert.equal(await client.modelMetadata('m'), metadata);
  assert.equal(await client.modelMetadata('m', { version: '1' }), metadata);
  assert.equal(await client.modelConfig('m'), documents['GET /v2/models/m/config']);
  assert.equal(await client.modelStatistics('m'), statistics);
  assert.equal(await client.modelStatistics(), statistics);
  assert.equal(await client.repositoryIndex({ ready: true }), documents['POST /v2/repository/index']);
  assert.is(asked.at(-1)?.body.toString(), '{"ready":true}');
  assert.is((await refusal(client.modelMetadata('n'))).code, 'NOT_FOUND');
});

Calls('say no where the server says no, by its status or in its words', async () => {
  const notReady = await serveHttp((_one, response) => void response.writeHead(400).end());
  assert.not(await clientOf(notReady).isServerReady());
  const inWords = await serveHttp((_one, response) => answer(response, { live: true, ready: false }));
  assert.not(await clientOf(inWords).isServerReady());
  assert.ok(await clientOf(inWords).isServerLive());
});

Calls('refuse documents of another form or about another model', async () => {
  const cases: readonly [unknown, (client: OipClient) => Promise<unknown>, RegExp][] = [
    [{ ...metadata, name: 'n' }, (client) => client.modelMetadata('m'), /Asked for the model 'm', got 'n'/],
    [{ ...metadata, inputs: 'x' }, (client) => client.modelMetadata('m'), /inputs/],
    [{ name: 'n' }, (client) => client.modelConfig('m'), /got 'n'/],
    [{ name: 'x', version: 1, extensions: [] }, (client) => client.serverMetadata(), /version/],
    [{ model_stats: {} }, (client) => client.modelStatistics(), /model_stats/],
    [{}, (client) => client.repositoryIndex(), /array/],
  ];
  for (const [document, call, words] of cases) {
    const server = await serveHttp((_one, response) => answer(response, document));
    const error = await refusal(call(clientOf(server)));
    assert.is(error.code, 'RESPONSE_INVALID');
    assert.match(error.message, words);
  }
});

Calls('keep a path in front, send the token, and never show it', async () => {
  const asked: Received[] = [];
  const server = await serveHttp((one, response) => {
    asked.push(one);
    response.writeHead(500).end('{"error":"no"}');
  });
  const token = 'a-secret-of-sixteen-letters';
  const error = await refusal(clientOf({ url: `${server.url}/behind/` }, { token }).infer(request));
  assert.is(asked[0]?.path, '/behind/v2/models/m/infer');
  assert.is(asked[0]?.headers.authorization, `Bearer ${token}`);
  assert.is(asked[0]?.headers['content-length'], String(asked[0]?.body.length));
  assert.not.match(`${error.stack} ${JSON.stringify(error)}`, token);
});

Calls('follow no redirection, so that the token goes nowhere else', async () => {
  let strayed = 0;
  const elsewhere = await serveHttp((_one, response) => {
    strayed++;
    response.end();
  });
  const server = await serveHttp(
    (_one, response) => void response.writeHead(307, { Location: elsewhere.url }).end(),
  );
  const error = await refusal(clientOf(server, { token: 'x' }).infer(request));
  assert.is(error.code, 'RESPONSE_INVALID');
  assert.match(error.message, 'HTTP 307');
  assert.is(strayed, 0);
});

Calls('take an address only that is one', async () => {
  for (const url of [
    'localhost:8000',
    'ws://x',
    'http://',
    'http://user:word@x',
    'http://x/?token=1',
    'http://x/#a',
  ]) {
    assert.throws(
      () => clientOf({ url }),
      ({ code }: { code: string }) => code === 'CONFIG_INVALID',
      url,
    );
  }
});

Calls('use one connection again and again, and no more than they may at once', async () => {
  let now = 0;
  let most = 0;
  const server = await serveHttp((one, response) => {
    now++;
    most = Math.max(most, now);
    setTimeout(() => {
      now--;
      honest(one, response);
    }, 5);
  });
  const client = clientOf(server, { connections: 3 });
  for (let index = 0; index < 20; index++) await client.infer(request);
  assert.is(server.opened(), 1);
  await Promise.all(Array.from({ length: 30 }, () => client.infer(request)));
  assert.is(most, 3);
  assert.is(server.opened(), 3);
});

Calls('end when they are told to, before and while they are under way', async () => {
  const server = await serveHttp(() => {});
  const client = clientOf(server);
  const reason = new Error('no longer wanted');
  const before = await client.infer(request, { signal: AbortSignal.abort(reason) }).catch((thrown) => thrown);
  assert.is(before, reason);
  assert.is(server.opened(), 0);
  const controller = new AbortController();
  setTimeout(() => controller.abort(reason), 20);
  const during = await within(
    2000,
    client.infer(request, { signal: controller.signal }).catch((thrown) => thrown),
  );
  assert.is(during, reason);
});

Calls('go over TLS to a server whose certificate is trusted, and to no other', async () => {
  if (!haveOpenssl) return skip(noOpenssl);
  const folder = mkdtempSync(join(tmpdir(), 'offramp-oip-'));
  try {
    const authority = makeAuthority(folder, 'authority');
    const { cert, key } = makeCertificate(folder, 'server', authority, { commonName: 'server' });
    const files = { cert: readFileSync(cert), key: readFileSync(key) };
    const server = await listen(createTlsServer(files, wholeRequests(honest)), 0, 'https');
    const trusting = clientOf(server, { tls: { ca: readFileSync(authority.cert) } });
    assert.equal((await trusting.infer(request)).outputs[0]?.data, Float32Array.of(4));
    const error = await refusal(clientOf(server).infer(request));
    assert.is(error.code, 'CLOUD_UNREACHABLE');
    assert.match(error.message, 'certificate');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

Calls.run();

const Refusals = suite('refusals of a server');
Refusals.after.each(cleanUp);

const statuses: readonly [number, ErrorCode][] = [
  [400, 'REQUEST_INVALID'],
  [401, 'UNAUTHORIZED'],
  [403, 'FORBIDDEN'],
  [404, 'NOT_FOUND'],
  [405, 'METHOD_NOT_ALLOWED'],
  [409, 'RESPONSE_INVALID'],
  [413, 'REQUEST_TOO_LARGE'],
  [422, 'REQUEST_INVALID'],
  [429, 'RATE_LIMITED'],
  [500, 'RUNTIME_FAILED'],
  [501, 'NOT_SUPPORTED'],
  [502, 'CLOUD_UNREACHABLE'],
  [503, 'BUSY'],
  [504, 'BUDGET_SPENT'],
];
for (const [status, code] of statuses) {
  Refusals(`with HTTP ${status} are ${code}, with the server's words`, async () => {
    const server = await serveHttp(
      (_one, response) => void response.writeHead(status).end(`{"error":"words of ${status}"}`),
    );
    const error = await refusal(clientOf(server).infer(request));
    assert.is(error.code, code);
    assert.match(error.message, `HTTP ${status}, words of ${status}`);
    assert.match(error.message, `${server.url}/v2/models/m/infer`);
    assert.is(error.retryAfterMs, undefined);
  });
}

const bodies: readonly [string, string, ErrorCode, RegExp][] = [
  ['a code of ours that means the same', '{"error":"x","code":"DRAINING"}', 'DRAINING', /, x$/],
  [
    'a code of ours in the form of our other HTTP side',
    '{"error":{"code":"DRAINING","message":"soon"}}',
    'DRAINING',
    /, soon$/,
  ],
  ['a code of ours that means something else', '{"error":"x","code":"UNAUTHORIZED"}', 'BUSY', /, x$/],
  ['a code that there is not', '{"error":"x","code":"toString"}', 'BUSY', /, x$/],
  ['the words of FastAPI', '{"detail":"Not now"}', 'BUSY', /, Not now$/],
  ['words of a proxy', '<html>\n<b>Bad</b></html>', 'BUSY', /, <html> <b>Bad<\/b><\/html>$/],
  ['control characters', '{"error":"a\\u001b[31m\\nb\\u0000c"}', 'BUSY', /, a \[31m b c$/],
  ['nothing', '', 'BUSY', /without a word$/],
  ['an array', '[1]', 'BUSY', /\[1\]$/],
  ['very many words', JSON.stringify({ error: 'x'.repeat(10_000) }), 'BUSY', /, x{500}\.\.\.$/],
  ['no UTF-8', '\xff\xfe', 'BUSY', /HTTP 503/],
];
for (const [what, body, code, words] of bodies) {
  Refusals(`with ${what} are ${code}`, async () => {
    const server = await serveHttp(
      (_one, response) => void response.writeHead(503).end(Buffer.from(body, 'latin1')),
    );
    const error = await refusal(clientOf(server).infer(request));
    assert.is(error.code, code);
    assert.match(error.message, words);
  });
}

Refusals('say when to come again, within reason', async () => {
  for (const [header, expected] of [
    ['2', 2000],
    ['0', 0],
    ['999999999', 3_600_000],
    ['-5', undefined],
    ['Sun, 22 Nov 2026 08:00:00 GMT', undefined],
  ] as const) {
    const server = await serveHttp(
      (_one, response) => void response.writeHead(503, { 'Retry-After': header }).end(),
    );
    assert.is((await refusal(clientOf(server).infer(request))).retryAfterMs, expected, header);
  }
});

Refusals.run();

const Trouble = suite('servers in trouble');
Trouble.after.each(cleanUp);

/** The code with which an inference at this server fails. */
async function codeOf(call: Promise<unknown>): Promise<ErrorCode> {
  return (await within(5000, refusal(call))).code;
}

Trouble('that are not there are CLOUD_UNREACHABLE', async () => {
  const server = await serveHttp(honest);
  await server.close();
  assert.is(await codeOf(clientOf(server).infer(request)), 'CLOUD_UNREACHABLE');
  const nowhere = clientOf({ url: 'http://does-not-exist.invalid' });
  assert.is(await codeOf(nowhere.infer(request)), 'CLOUD_UNREACHABLE');
});

Trouble(
  'that break the connection before, in the middle of, or at the head of the answer are CONNECTION_LOST',
  async () => {
    for (const said of [
      '',
      'HTTP/1.1 200 OK\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"model_name"',
    ]) {
      const server = await serveTcp((socket) => {
        socket.once('data', () => {
          if (said === '') socket.resetAndDestroy();
          else socket.end(said);
        });
      });
      assert.is(await codeOf(clientOf(server).infer(request)), 'CONNECTION_LOST', said);
    }
  },
);

Trouble('that speak no HTTP are RESPONSE_INVALID', async () => {
  const server = await serveTcp((socket) => void socket.end('220 mail.example ESMTP\r\n'));
  assert.is(await codeOf(clientOf(server).infer(request)), 'RESPONSE_INVALID');
});

Trouble('that think for longer than a connection may lie idle are waited for', async () => {
  const server = await serveHttp((one, response) => void setTimeout(() => honest(one, response), 4500));
  const { outputs } = await clientOf(server, { timeoutMs: 20_000 }).infer(request);
  assert.equal(outputs[0]?.data, Float32Array.of(4));
});

Trouble('that say nothing, or a byte now and then, are given up in time', async () => {
  const silent = await serveHttp(() => {});
  const dripping = await serveHttp((_one, response) => {
    response.writeHead(200);
    const timer = setInterval(() => response.write(' '), 10);
    response.once('close', () => clearInterval(timer));
  });
  for (const server of [silent, dripping]) {
    const startedAtMs = performance.now();
    const error = await within(5000, refusal(clientOf(server).infer(request, { timeoutMs: 150 })));
    assert.is(error.code, 'BUDGET_SPENT');
    assert.match(error.message, 'no answer within 150 ms');
    assert.ok(performance.now() - startedAtMs < 2000);
  }
});

Trouble('that send more than is read are cut off, whether they say so before or not', async () => {
  for (const headers of [{ 'Content-Length': 10_001 }, {}]) {
    const server = await serveHttp((_one, response) => {
      response.writeHead(200, headers);
      for (let sent = 0; sent <= 10_000; sent += 73)
        response.write(Buffer.alloc(Math.min(73, 10_001 - sent)));
      response.end();
    });
    const error = await refusal(clientOf(server, { maxResponseBytes: 10_000 }).infer(request));
    assert.is(error.code, 'RESPONSE_INVALID');
    assert.match(error.message, '10000 bytes');
  }
});

Trouble('that send without end do not fill the memory', async () => {
  let written = 0;
  const server = await serveHttp((_one, response) => {
    response.writeHead(200);
    const chunk = Buffer.alloc(64 * 1024);
    const more = () => {
      while (!response.destroyed && response.write(chunk)) written += chunk.length;
    };
    response.on('drain', more);
    more();
  });
  assert.is(await codeOf(clientOf(server, { maxResponseBytes: 100_000 }).infer(request)), 'RESPONSE_INVALID');
  assert.ok(written < 50_000_000, `${written} bytes were taken`);
});

Trouble('that pack their answer unasked are RESPONSE_INVALID', async () => {
  const server = await serveHttp(
    (_one, response) => void response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x'),
  );
  assert.is(await codeOf(clientOf(server).infer(request)), 'RESPONSE_INVALID');
});

Trouble('that answer with pages in place of JSON are RESPONSE_INVALID', async () => {
  const server = await serveHttp(
    (_one, response) => void response.writeHead(200).end('<html>welcome</html>'),
  );
  const error = await refusal(clientOf(server).infer(request));
  assert.is(error.code, 'RESPONSE_INVALID');
  assert.match(error.message, 'no JSON');
  assert.not.match(error.message, 'welcome');
});

Trouble('that refuse before the request was sent whole still say why', async () => {
  const server = await serveTcp((socket) => {
    socket.once('data', () => {
      socket.end(
        'HTTP/1.1 413 Too Large\r\nContent-Length: 20\r\nConnection: close\r\n\r\n{"error":"too long"}',
      );
    });
  });
  const data = new Uint8Array(200_000);
  const inputs = [{ name: 'x', datatype: 'UINT8', shape: [data.length], data } as const];
  const error = await within(5000, refusal(clientOf(server).infer({ model: 'm', inputs })));
  assert.is(error.code, 'REQUEST_TOO_LARGE');
  assert.match(error.message, 'too long');
});

Trouble('that close idle connections are asked over a new one', async () => {
  const server = await serveHttp((one, response) => {
    response.setHeader('Connection', 'close');
    honest(one, response);
  });
  const client = clientOf(server);
  for (let index = 0; index < 5; index++) await client.infer(request);
  assert.is(server.opened(), 5);
});

Trouble.run();
