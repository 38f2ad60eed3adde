import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { OfframpError } from '../../shared/errors.ts';
import type { Admission } from '../../shared/host/index.ts';
import { type Asset, type AssetSource, type Assets, assetsOf } from './assets.ts';

export const consolePolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "frame-ancestors 'none'",
  "base-uri 'none'",
  "form-action 'none'",
].join('; ');

const headers = {
  'content-security-policy': consolePolicy,
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'permissions-policy': 'camera=(), geolocation=(), microphone=()',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

const unavailable = 503;

/**
 * Serves the console's page under `/console/`. It asks for no token: the page is the same for everybody and knows nothing; what it
 * shows it asks for itself.
 * @param source asked once, when somebody first wants the page.
 * @param admit refuses pages of strangers, on servers without tokens.
 */
export function consolePage(app: FastifyInstance, source: AssetSource, admit: Admission): void {
  let assets: Promise<Assets> | undefined;
  // Relative, so that it stays right behind a proxy that puts the server under a path.
  app.get('/console', (_request, reply) => reply.headers(headers).redirect('console/', 308));
  app.get<{ Params: { '*': string } }>('/console/*', async (request, reply) => {
    const refusal = admit(request.headers);
    if (refusal !== undefined) return refuse(refusal, refusal.httpStatus, reply);
    assets ??= source().then(assetsOf);
    const found = await assets.catch((thrown: unknown) => OfframpError.from(thrown));
    if (found instanceof OfframpError) return refuse(found, unavailable, reply);
    const name = request.params['*'];
    const asset = found.get(name === '' ? 'index.html' : name);
    if (asset === undefined) return reply.callNotFound();
    return send(asset, request, reply.headers(headers));
  });
}

function refuse({ code, message }: OfframpError, status: number, reply: FastifyReply): FastifyReply {
  return reply.headers(headers).code(status).send({ error: { code, message } });
}

function send(asset: Asset, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { 'accept-encoding': accepted = '', 'if-none-match': known = '' } = request.headers;
  reply.headers({ etag: asset.etag, vary: 'accept-encoding', 'cache-control': 'no-cache' });
  // Compared weakly (RFC 9110 section 13.1.2).
  if (known.split(',').some((one) => one.trim().replace(/^W\//, '') === asset.etag)) {
    return reply.code(304).send();
  }
  reply.type(asset.type);
  const isGzip = /\bgzip\b(?!\s*;\s*q=0(?:\.0*)?(?:,|$))/i.test(String(accepted));
  if (!isGzip) return reply.send(asset.bytes);
  return reply.header('content-encoding', 'gzip').send(asset.gzip);
}
