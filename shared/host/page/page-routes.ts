import { createReadStream } from 'node:fs';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Admission } from '../admission.ts';
import { codingFor, type PageFile } from './page-file.ts';
import type { PageSite } from './page-site.ts';

const yearSeconds = 31_536_000;

export interface ServedPage {
  readonly site: PageSite;
  /** Refuses strangers by their headers, on servers without tokens. */
  readonly admit: Admission;
}

/**
 * Serves the page under `/page/`. It asks for no token: what is there is the same for everybody, and images travel over the
 * WebSocket, which does ask.
 */
export function servePage(app: FastifyInstance, { site, admit }: ServedPage): void {
  const { files } = site;
  const headers = headersOf(site.policy);
  app.get('/page', (_request, reply) => reply.redirect('page/', 308));
  app.get<{ Params: { '*': string } }>('/page/*', (request, reply) => {
    const refusal = admit(request.headers);
    if (refusal !== undefined) {
      const { code, message, httpStatus } = refusal;
      return reply.code(httpStatus).send({ error: { code, message } });
    }
    const file = files.get(request.params['*']);
    if (file === undefined) return reply.callNotFound();
    return send(file, request, reply.headers(headers));
  });
}

function send(file: PageFile, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const { content, isHashed, tag, type } = file;
  const coding = codingFor(content, request.headers['accept-encoding']);
  const etag = `"${tag}${coding === 'identity' ? '' : `-${coding}`}"`;
  reply.headers({
    etag,
    vary: 'accept-encoding',
    'cache-control': isHashed ? `public, max-age=${yearSeconds}, immutable` : 'no-cache',
  });
  if (knows(request.headers['if-none-match'], etag)) return reply.code(304).send();
  reply.type(type);
  if (coding !== 'identity') reply.header('content-encoding', coding);
  const source = content[coding] ?? content.identity;
  return reply.send(typeof source === 'string' ? createReadStream(source) : source);
}

/** RFC 9110 section 13.1.2; tags are compared weakly. */
function knows(known: string | undefined, etag: string): boolean {
  return (known ?? '').split(',').some((one) => one.trim().replace(/^W\//, '') === etag);
}

function headersOf(policy: string): Readonly<Record<string, string>> {
  return {
    'content-security-policy': policy,
    // Without the next three there is no memory shared between threads.
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-embedder-policy': 'require-corp',
    'cross-origin-resource-policy': 'same-origin',
    'permissions-policy': 'camera=(self), geolocation=(), microphone=()',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
  };
}
