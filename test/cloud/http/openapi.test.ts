/** The OpenAPI document says what the server does: every route is in it, and every one in it answers as it says. */
import fastify from 'fastify';
import { Compile } from 'typebox/compile';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { describeRoutes } from '../../../cloud/http/index.ts';
import { schemas } from '../../../cloud/http/schemas.ts';
import { parseTokens } from '../../../shared/host/index.ts';
import { cleanUp, served, startServer, token } from '../server-source.ts';

interface Media {
  readonly schema?: { readonly $ref: string };
  readonly example?: unknown;
}

type Content = Readonly<Record<string, Media>>;

interface OperationObject {
  readonly operationId: string;
  readonly summary?: string;
  readonly security: readonly object[];
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly example?: string }[];
  readonly requestBody?: { readonly content: Content };
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: Content }>>;
}

interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, OperationObject>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

interface Documented {
  readonly method: string;
  readonly path: string;
  readonly operation: OperationObject;
}

const adminToken = 'the-token-of-an-operator';
const tokens = parseTokens(`${token}\noperator ${adminToken} scope admin`, 'the test');
const { server } = await startServer({}, { tokens, consoleFiles: async () => new Map() });
const document: Document = await (await fetch(`${server.url}/openapi.json`)).json();
const all: Documented[] = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
);

/** What a schema of the document is checked with: the very one that it was made of. */
function fits(media: Media | undefined, value: unknown): boolean {
  const name = media?.schema?.$ref.replace('#/components/schemas/', '') ?? '';
  if (name === '') return true;
  const [, schema] = Object.entries(schemas).find(([key]) => key === name) ?? [];
  if (schema === undefined) throw new Error(`no schema ${name}`);
  return Compile(schema).Check(value);
}

function filled({ path, operation }: Documented): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name) => {
    const example = operation.parameters?.find((parameter) => parameter.name === name)?.example;
    return example ?? 'any';
  });
}

async function ask(one: Documented, authorization?: string): Promise<Response> {
  const body = one.operation.requestBody?.content['application/json']?.example;
  return fetch(`${server.url}${filled(one)}`, {
    method: one.method,
    headers: { ...(authorization !== undefined && { authorization }) },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

const Document = suite('the OpenAPI document');

Document('is of version 3.1 and served without a token', () => {
  assert.match(document.openapi, /^3\.1\.\d+$/);
  assert.ok(all.length > 40, `${all.length} routes`);
});

Document('has the routes of the protocol, of health and of metrics', () => {
  const named = all.map(({ method, path }) => `${method} ${path}`);
  for (const route of [
    'GET /livez',
    'GET /readyz',
    'GET /metrics',
    'GET /openapi.json',
    'GET /v1/console',
    'POST /v1/drain',
    'GET /v2',
    'GET /v2/health/live',
    'GET /v2/health/ready',
    'GET /v2/models/stats',
    'GET /v2/models/{model}',
    'GET /v2/models/{model}/config',
    'GET /v2/models/{model}/ready',
    'GET /v2/models/{model}/stats',
    'GET /v2/models/{model}/versions/{version}',
    'GET /v2/models/{model}/versions/{version}/config',
    'GET /v2/models/{model}/versions/{version}/ready',
    'GET /v2/models/{model}/versions/{version}/stats',
    'POST /v2/models/{model}/infer',
    'POST /v2/models/{model}/versions/{version}/infer',
    'POST /v2/repository/index',
    'POST /v2/repository/models/{model}/load',
    'POST /v2/repository/models/{model}/unload',
  ]) {
    assert.ok(named.includes(route), route);
  }
});

Document('says of every route what it is and what it answers', () => {
  for (const { method, path, operation } of all) {
    assert.ok((operation.summary ?? '').length > 5, `${method} ${path} has no summary`);
    assert.ok(Object.keys(operation.responses).length > 0, `${method} ${path} has no answers`);
  }
});

Document('has a name of its own for every operation', () => {
  const ids = all.map(({ operation }) => operation.operationId);
  assert.is(new Set(ids).size, ids.length);
});

Document('declares every parameter of every path, and no other', () => {
  for (const { path, operation } of all) {
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    const declared = operation.parameters?.filter((one) => one.in === 'path') ?? [];
    assert.equal(
      declared.map(({ name }) => name),
      inPath,
      path,
    );
  }
});

Document('refers to schemas that are in it, and has examples that fit them', () => {
  for (const { path, operation } of all) {
    const bodies = [operation.requestBody, ...Object.values(operation.responses)];
    for (const [type, media] of bodies.flatMap((body) => Object.entries(body?.content ?? {}))) {
      const name = media.schema?.$ref.replace('#/components/schemas/', '');
      if (name !== undefined) assert.ok(name in document.components.schemas, `${path}: ${name}`);
      if (media.example !== undefined) assert.ok(fits(media, media.example), `${path}: ${type}`);
    }
  }
});

for (const one of all) {
  Document(`tells what ${one.method} ${one.path} answers`, async () => {
    const isForAdmins = '403' in one.operation.responses;
    const response = await ask(one, `Bearer ${isForAdmins ? adminToken : token}`);
    const text = await response.text();
    const described = one.operation.responses[response.status];
    assert.ok(described, `${response.status} is not described: ${text.slice(0, 200)}`);
    assert.ok(
      response.status === 200 || response.status === 501,
      `${response.status}: ${text.slice(0, 200)}`,
    );
    const type = (response.headers.get('content-type') ?? '').split(';')[0] ?? '';
    if (described.content === undefined) return;
    assert.ok(type in described.content, `${type} is not described`);
    if (type === 'application/json')
      assert.ok(fits(described.content[type], JSON.parse(text)), text.slice(0, 300));
  });

  Document(`tells who may ask ${one.method} ${one.path}`, async () => {
    const response = await ask(one);
    await response.text();
    const isOpen = one.operation.security.length === 0;
    assert.is(response.status === 401, !isOpen, `${response.status}`);
    if (!isOpen) assert.ok(one.operation.responses[401], 'the 401 is not described');
    if (one.operation.responses[403] === undefined) return;
    assert.is((await ask(one, `Bearer ${token}`)).status, 403);
  });
}

Document('has an inference example that the server computes', async () => {
  const one = all.find(({ operation }) => operation.operationId === 'infer');
  if (one === undefined) throw new Error('no infer');
  const response = await ask(one, `Bearer ${token}`);
  const { id, model_name, outputs } = await response.json();
  assert.equal([response.status, id, model_name, outputs[0].name], [200, '42', served.id, 'label']);
});

Document('shows a route that nobody has described, without answers', async () => {
  const app = fastify();
  const documentOf = describeRoutes(app, { version: '0', pathExamples: () => ({}) });
  app.register(
    (scope, _options, done) => {
      scope.post('/secret', () => ({}));
      done();
    },
    { prefix: '/v9' },
  );
  await app.ready();
  const { paths } = JSON.parse(JSON.stringify(documentOf()));
  assert.equal(paths, { '/v9/secret': { post: { responses: {} } } });
  await app.close();
});

Document.after(cleanUp);
Document.run();
