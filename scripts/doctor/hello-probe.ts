import type { IncomingMessage } from 'node:http';
import { type RawData, WebSocket } from 'ws';
import { type ErrorCode, isErrorCode, OfframpError } from '../../shared/errors.ts';
import {
  decodeFrame,
  encodeHello,
  type Hello,
  parseError,
  parseWelcome,
  subprotocol,
  type Welcome,
} from '../../shared/protocol/index.ts';
import { type Failure, failureOf, lateFailure } from './failure.ts';
import type { Target } from './link-probe.ts';

/** What came of a device's greeting. */
export type HelloOutcome =
  | { readonly kind: 'welcome'; readonly welcome: Welcome; readonly roundTripsMs: readonly number[] }
  /** Refused by an Offramp server. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  /** The upgrade was answered with this status, by somebody who may be no Offramp server. */
  | { readonly kind: 'not-upgraded'; readonly status: number }
  | Failure;

const maxMessageBytes = 1024 * 1024;
const maxRefusalChars = 4096;
const pings = 7;
const normalClosure = 1000;

/** Connects as a device does, says hello, and when it is welcome sends some pings. The connection is gone afterwards. */
export async function greet(target: Target, hello: Hello): Promise<HelloOutcome> {
  const { url, tls, limitMs } = target;
  const socket = new WebSocket(url, subprotocol, {
    ...{ perMessageDeflate: false, handshakeTimeout: limitMs, maxPayload: maxMessageBytes },
    minVersion: 'TLSv1.2',
    ...tls,
  });
  try {
    const answer = await answerTo(socket, hello, limitMs);
    if (answer.kind !== 'welcome') return answer;
    return { ...answer, roundTripsMs: await timePings(socket, limitMs) };
  } finally {
    socket.on('error', () => {});
    socket.close(normalClosure, 'examined');
    socket.terminate();
  }
}

function answerTo(socket: WebSocket, hello: Hello, limitMs: number): Promise<HelloOutcome> {
  return new Promise((resolve) => {
    const settle = (outcome: HelloOutcome) => {
      clearTimeout(timer);
      resolve(outcome);
    };
    const timer = setTimeout(() => settle(lateFailure(limitMs)), limitMs);
    socket.once('open', () => socket.send(encodeHello(hello)));
    socket.once('message', (data, isBinary) => settle(readAnswer(data, isBinary)));
    socket.once('unexpected-response', (_request, response) => {
      void refusalOf(response, limitMs).then(settle);
    });
    socket.on('error', (error) => settle(failureOf(error)));
    socket.once('close', (code, reason) => {
      const message = `closed by the server with ${code} ${reason.toString()}`.trim();
      settle({ kind: 'failed', code: undefined, message });
    });
  });
}

function readAnswer(data: RawData, isBinary: boolean): HelloOutcome {
  try {
    // With ws's default binaryType a message is one Buffer.
    if (!isBinary) throw new OfframpError('FRAME_INVALID', 'a text message, expected a frame');
    const frame = decodeFrame(data as Buffer);
    if (frame.type === 'welcome') {
      return { kind: 'welcome', welcome: parseWelcome(frame.header), roundTripsMs: [] };
    }
    if (frame.type === 'error') return { kind: 'refused', ...parseError(frame) };
    throw new OfframpError('FRAME_INVALID', `a '${frame.type}' frame, expected 'welcome'`);
  } catch (thrown) {
    const { code, message } = OfframpError.from(thrown, 'FRAME_INVALID');
    return { kind: 'failed', code, message: `the server answers with ${message}` };
  }
}

/** Reads the body of a refused upgrade: a server of ours says its code there. */
async function refusalOf(response: IncomingMessage, limitMs: number): Promise<HelloOutcome> {
  const status = response.statusCode ?? 0;
  const timer = setTimeout(() => response.destroy(), limitMs);
  let body = '';
  try {
    for await (const part of response.setEncoding('utf8')) {
      body += String(part);
      if (body.length > maxRefusalChars) break;
    }
  } catch {
    // The status is what there is then.
  }
  clearTimeout(timer);
  response.destroy();
  return ourError(body) ?? { kind: 'not-upgraded', status };
}

function ourError(body: string): HelloOutcome | undefined {
  try {
    const { error }: { error?: { code?: unknown; message?: unknown } } = JSON.parse(body);
    const code = String(error?.code);
    return isErrorCode(code) ? { kind: 'refused', code, message: String(error?.message) } : undefined;
  } catch {
    return undefined;
  }
}

/** One after the other; those that came back before `limitMs` were over. */
async function timePings(socket: WebSocket, limitMs: number): Promise<number[]> {
  const times: number[] = [];
  const endsAt = performance.now() + limitMs;
  while (times.length < pings) {
    const startedAt = performance.now();
    if (!(await pong(socket, endsAt - startedAt))) break;
    times.push(performance.now() - startedAt);
  }
  return times;
}

function pong(socket: WebSocket, limitMs: number): Promise<boolean> {
  if (limitMs <= 0 || socket.readyState !== socket.OPEN) return Promise.resolve(false);
  return new Promise((resolve) => {
    const settle = (came: boolean) => {
      clearTimeout(timer);
      socket.off('pong', onPong);
      socket.off('close', onClose);
      resolve(came);
    };
    const onPong = () => settle(true);
    const onClose = () => settle(false);
    const timer = setTimeout(onClose, limitMs);
    socket.once('pong', onPong);
    socket.once('close', onClose);
    socket.ping();
  });
}
