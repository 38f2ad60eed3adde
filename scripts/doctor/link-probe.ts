import { lookup } from 'node:dns/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { type Failure, failureOf, lateFailure } from './failure.ts';

/** PEM contents for `wss:`, as `tls.connect` takes them. */
export type TlsFiles = Pick<ConnectionOptions, 'ca' | 'cert' | 'key'>;

/** Where a server is, and how it is reached. */
export interface Target {
  readonly url: URL;
  readonly host: string;
  readonly port: number;
  readonly encrypted: boolean;
  readonly tls: TlsFiles;
  /** Milliseconds that each step may take. */
  readonly limitMs: number;
}

export interface Resolved {
  readonly kind: 'resolved';
  readonly addresses: readonly string[];
}

export interface Connected {
  readonly kind: 'connected';
  readonly durationMs: number;
}

export interface Handshake {
  readonly kind: 'handshake';
  readonly protocol: string;
  /** Why the certificate is not trusted, as OpenSSL or Node says it; absent when it is. */
  readonly distrust: string | undefined;
  /** Names that the certificate is for. */
  readonly names: string;
  readonly validToMs: number;
}

export interface HttpAnswer {
  readonly kind: 'answer';
  readonly status: number;
  readonly body: string;
  /** What the server's clock says, in whole seconds; absent without a `Date` header. */
  readonly dateMs: number | undefined;
  /** This machine's clock in the middle between request and answer. */
  readonly middleMs: number;
}

const maxBodyChars = 65_536;

/** @param url a `ws:` or `wss:` address. */
export function targetOf(url: URL, tls: TlsFiles, limitMs: number): Target {
  const encrypted = url.protocol === 'wss:';
  const port = url.port === '' ? (encrypted ? 443 : 80) : Number(url.port);
  // An IPv6 address stands in brackets in a URL.
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return { url, host, port, encrypted, tls, limitMs };
}

/** The addresses that the system has for the host. */
export async function resolveHost({ host, limitMs }: Target): Promise<Resolved | Failure> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<Failure>((resolve) => {
    timer = setTimeout(() => resolve(lateFailure(limitMs)), limitMs);
  });
  const found = lookup(host, { all: true }).then(
    (all): Resolved => ({ kind: 'resolved', addresses: all.map(({ address }) => address) }),
    failureOf,
  );
  try {
    return await Promise.race([found, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Connects and closes. */
export async function tryTcp({ host, port, limitMs }: Target): Promise<Connected | Failure> {
  const startedAt = performance.now();
  const socket = connectTcp({ host, port });
  return firstOf(socket, 'connect', limitMs, () => ({
    kind: 'connected',
    durationMs: performance.now() - startedAt,
  }));
}

/** Shakes hands and closes, whether or not the certificate is to be trusted: nothing is sent over it. */
export async function tryTls({ host, port, tls, limitMs }: Target): Promise<Handshake | Failure> {
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket: TLSSocket = connectTls({
    ...{ host, port, minVersion: 'TLSv1.2', rejectUnauthorized: false },
    ...name,
    ...tls,
  });
  return firstOf(socket, 'secureConnect', limitMs, () => {
    const { subject, subjectaltname, valid_to } = socket.getPeerCertificate();
    return {
      kind: 'handshake',
      protocol: socket.getProtocol() ?? 'TLS',
      // Node's types say Error; it is the code, a string.
      distrust: socket.authorized ? undefined : String(socket.authorizationError),
      names: subjectaltname ?? String(subject?.CN ?? 'none'),
      validToMs: Date.parse(valid_to),
    };
  });
}

/** Asks for a path at the same host and port, without a token. */
export function askHttp(
  { url, encrypted, tls, limitMs }: Target,
  path: string,
): Promise<HttpAnswer | Failure> {
  const address = new URL(path, `${encrypted ? 'https' : 'http'}://${url.host}`);
  const ask = encrypted ? httpsRequest : httpRequest;
  const sentAtMs = Date.now();
  return new Promise((resolve) => {
    const request = ask(address, { agent: false, minVersion: 'TLSv1.2', ...tls }, (response) => {
      const middleMs = (sentAtMs + Date.now()) / 2;
      const { date = '' } = response.headers;
      const dateMs = Number.isNaN(Date.parse(date)) ? undefined : Date.parse(date);
      let body = '';
      const settle = () => {
        clearTimeout(timer);
        request.destroy();
        resolve({ kind: 'answer', status: response.statusCode ?? 0, body, dateMs, middleMs });
      };
      response.setEncoding('utf8').on('data', (part: string) => {
        body += part;
        if (body.length > maxBodyChars) settle();
      });
      response.once('end', settle);
    });
    const timer = setTimeout(() => {
      request.destroy();
      resolve(lateFailure(limitMs));
    }, limitMs);
    request.on('error', (error) => {
      clearTimeout(timer);
      resolve(failureOf(error));
    });
    request.end();
  });
}

/** What is read at the socket's first such event; the socket is gone afterwards, whatever came. */
function firstOf<Found>(
  socket: Socket,
  event: string,
  limitMs: number,
  read: () => Found,
): Promise<Found | Failure> {
  return new Promise((resolve) => {
    const settle = (outcome: Found | Failure) => {
      clearTimeout(timer);
      socket.destroy();
      resolve(outcome);
    };
    const timer = setTimeout(() => settle(lateFailure(limitMs)), limitMs);
    socket.once(event, () => settle(read()));
    // For good: an error after the end must not end the process.
    socket.on('error', (error) => settle(failureOf(error)));
    // A server that closes without a word makes no error of it.
    socket.once('close', () =>
      settle({ kind: 'failed', code: 'ECONNRESET', message: 'closed by the server' }),
    );
  });
}
