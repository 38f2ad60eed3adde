/** The OpenAPI document says what the daemon does: every route is in it, and every one in it answers as it says. */
import { pino } from 'pino';
import type { TSchema } from 'typebox';
import { Compile } from 'typebox/compile';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type RunningEdge, startEdge } from '../../edge/daemon/index.ts';
import { schemas } from '../../edge/daemon/schemas.ts';
import { parseTokens } from '../../shared/host/index.ts';
import { drawnImage, realBundleFolder } from '../runtime/real-bundle.ts';
import { greyFile } from '../support/pictures.ts';

interface Media {
  readonly schema?: { readonly $ref: string };
  readonly example?: unknown;
}

type Content = Readonly<Record<string, Media>>;

interface OperationObject {
  readonly operationId: string;
  readonly summary?: string;
  readonly security: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly example: unknown }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly content?: Content }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
}

type Body = Uint8Array<ArrayBuffer> | string | FormData;

const token = 'a-token-for-this-daemon';
const authorization = `Bearer ${token}`;
const edge: RunningEdge = await startEdge({
  ...{ host: '127.0.0.1', port: 0, tokens: parseTokens(token, 'the test'), resize: 'cover' },
  ...{ bundleFolder: realBundleFolder, budgetMs: 5000, maxInFlight: 8, workers: 1, threadsPerWorker: 1 },
  // Nobody listens there: what the status says of a cloud that is away.
  ...{ cloudUrls: ['ws://127.0.0.1:1'], auditShare: 0.5, version: '1.2.3' },
  logger: pino({ level: 'silent' }),
});
const document: Document = await (await fetch(`${edge.url}/openapi.json`)).json();
const all = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

function schemaOf(media: Media | undefined): TSchema | undefined {
  const name = media?.schema?.$ref.replace('#/components/schemas/', '');
  return Object.entries(schemas).find(([key]) => key === name)?.[1];
}

function send(path: string, type: string, body: Body): Promise<Response> {
  const headers = { authorization, ...(type !== 'multipart/form-data' && { 'content-type': type }) };
  return fetch(`${edge.url}${path}`, { method: 'POST', headers, body });
}

async function picture(format: 'png' | 'jpeg' | 'webp'): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await greyFile(28, 28, format));
}

/** A value holds nothing that its schema does not name, at any depth. */
function unnamed(schema: TSchema, value: unknown, at = ''): string[] {
  const { anyOf, items, properties } = schema as {
    readonly anyOf?: readonly TSchema[];
    readonly items?: TSchema;
    readonly properties?: Readonly<Record<string, TSchema>>;
  };
  const fitting = anyOf?.find((one) => Compile(one).Check(value));
  if (fitting !== undefined) return unnamed(fitting, value, at);
  if (Array.isArray(value) && items !== undefined) return value.flatMap((one) => unnamed(items, one, at));
  if (typeof value !== 'object' || value === null || properties === undefined) return [];
  return Object.entries(value).flatMap(([key, one]) => {
    const known = properties[key];
    return known === undefined ? [`${at}.${key}`] : unnamed(known, one, `${at}.${key}`);
  });
}

async function holds(response: Response, { responses }: OperationObject): Promise<void> {
  const text = await response.text();
  const described = responses[response.status];
  assert.ok(described, `${response.status} is not described: ${text.slice(0, 200)}`);
  const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
  assert.ok(type in (described.content ?? {}), `${type} is not described`);
  const schema = schemaOf(described.content?.[type]);
  if (schema === undefined) return;
  const value: unknown = JSON.parse(text);
  assert.equal([...Compile(schema).Errors(value)], [], text.slice(0, 300));
  // Exits are the manifest's own, and its schema is in the page on bundles.
  assert.equal(
    unnamed(schema, value).filter((at) => !at.startsWith('.bundle.exits.') && !at.startsWith('.audit.range')),
    [],
  );
}

const Document = suite("the daemon's OpenAPI document");

Document('is of version 3.1 and has every route, each with a name and a summary', () => {
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.equal(all.map(({ method, path }) => `${method} ${path}`).sort(), [
    'GET /livez',
    'GET /metrics',
    'GET /openapi.json',
    'GET /readyz',
    'GET /v1/status',
    'POST /v1/classify',
  ]);
  const ids = all.map(({ operation }) => operation.operationId);
  assert.is(new Set(ids).size, ids.length);
  for (const { path, operation } of all) assert.ok((operation.summary ?? '').length > 5, path);
});

Document('refers to schemas that it has', () => {
  const text = JSON.stringify(document);
  const named = [...text.matchAll(/"#\/components\/schemas\/(\w+)"/g)].map(([, name = '']) => name);
  assert.ok(named.length > 5);
  assert.equal([...new Set(named)].sort(), Object.keys(schemas).sort());
});

for (const { method, path, operation } of all) {
  Document(`tells what ${method} ${path} answers, and who may ask`, async () => {
    const { example } = operation.requestBody?.content['application/json'] ?? {};
    const isOpen = operation.security.length === 0;
    for (const headers of isOpen ? [{}] : [{ authorization }, {}]) {
      const response = await fetch(`${edge.url}${path}`, {
        method,
        headers: { ...headers, ...(example !== undefined && { 'content-type': 'application/json' }) },
        ...(example !== undefined && { body: JSON.stringify(example) }),
      });
      assert.is(response.status, isOpen || 'authorization' in headers ? 200 : 401);
      await holds(response, operation);
    }
  });
}

Document('names every kind of body that is taken, and its example is a 1', async () => {
  const one = all.find(({ path }) => path === '/v1/classify')?.operation;
  if (one === undefined) throw new Error('no classify');
  const form = new FormData();
  form.append('a', new Blob([await picture('png')]), 'a.png');
  const [parameter] = one.parameters ?? [];
  assert.equal([parameter?.name, parameter?.in], ['budgetMs', 'query']);
  const path = `/v1/classify?budgetMs=${parameter?.example}`;
  const bodies: Record<string, Body> = {
    'application/json': JSON.stringify(one.requestBody?.content['application/json']?.example),
    'image/png': await picture('png'),
    'image/jpeg': await picture('jpeg'),
    'image/webp': await picture('webp'),
    'application/octet-stream': drawnImage(0),
    'multipart/form-data': form,
  };
  assert.equal(Object.keys(one.requestBody?.content ?? {}).sort(), Object.keys(bodies).sort());
  for (const [type, body] of Object.entries(bodies)) {
    const response = await send(path, type, body);
    assert.is(response.status, 200, type);
    await holds(response, one);
  }
  const { answers } = await (await send(path, 'application/json', bodies['application/json'] ?? '')).json();
  assert.equal([answers[0].id, answers[0].className], ['cam-1', '1']);
});

Document('tells how refusals look, of a request and of one image among others', async () => {
  const one = all.find(({ path }) => path === '/v1/classify')?.operation;
  if (one === undefined) throw new Error('no classify');
  const cases = [
    ['/v1/classify', 'image/png', 'no picture', 400],
    ['/v1/classify?budgetMs=-1', 'image/png', 'no picture', 400],
    ['/v1/classify', 'application/octet-stream', new Uint8Array(784 * 65), 413],
    ['/v1/classify', 'application/json', '{"images":[{"data":""},{"data":"AAAA"}]}', 200],
  ] as const;
  for (const [path, type, body, status] of cases) {
    const response = await send(path, type, body);
    assert.is(response.status, status);
    await holds(response, one);
  }
});

Document.after(() => edge.stop());
Document.run();
