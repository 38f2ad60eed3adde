import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Failure } from '../../../scripts/doctor/failure.ts';
import { failureOf, failureWords } from '../../../scripts/doctor/failure.ts';
import { judgeHello } from '../../../scripts/doctor/hello.ts';
import {
  judgeAddress,
  judgeCertificateEnd,
  judgeClock,
  judgeConnection,
  judgeHandshake,
  judgePlain,
  judgeReadiness,
  judgeRoundTrip,
} from '../../../scripts/doctor/link.ts';
import type { Handshake, HttpAnswer } from '../../../scripts/doctor/link-probe.ts';

const now = Date.UTC(2026, 5, 1, 12);
const dayMs = 24 * 3600 * 1000;
const failure = (code: string, message = code): Failure => ({ kind: 'failed', code, message });
const handshake: Handshake = {
  ...{ kind: 'handshake', protocol: 'TLSv1.3', distrust: undefined, names: 'DNS:gpu.example' },
  validToMs: now + 90 * dayMs,
};
const answer = (body: string, change: Partial<HttpAnswer> = {}): HttpAnswer => ({
  ...{ kind: 'answer', status: 200, body, dateMs: undefined, middleMs: now },
  ...change,
});

const Link = suite('doctor, the link');

Link('gives each way in which a connection fails its own mend', () => {
  assert.is(judgeConnection({ kind: 'connected', durationMs: 3 }, 'gpu').state, 'ok');
  const mends = ['ECONNREFUSED', 'ETIMEDOUT', 'ENETUNREACH', 'EPIPE'].map((code) => {
    const { state, found, mend = '' } = judgeConnection(failure(code), 'gpu port 8470');
    assert.is(state, 'failed');
    assert.match(found, code);
    return mend;
  });
  assert.is(new Set(mends).size, 4);
  assert.is(judgeAddress({ kind: 'resolved', addresses: ['::1'] }, 'gpu').state, 'ok');
  assert.is(judgeAddress(failure('ENOTFOUND'), 'gpu').state, 'failed');
});

Link('gives each way in which a certificate is not trusted its own mend', () => {
  assert.is(judgeHandshake(handshake, now).state, 'ok');
  for (const [distrust, mend] of [
    ['CERT_HAS_EXPIRED', /renew/],
    ['CERT_NOT_YET_VALID', /clock/],
    ['ERR_TLS_CERT_ALTNAME_INVALID', /names/],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', /--cloud-ca/],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', /in between/],
    ['CERT_REVOKED', /renew/],
  ] as const) {
    const judged = judgeHandshake({ ...handshake, distrust }, now);
    assert.is(judged.state, 'failed');
    assert.match(judged.found, distrust);
    assert.match(judged.mend ?? '', mend);
  }
});

Link('tells a port without TLS from one that cuts the handshake off', () => {
  const plain = judgeHandshake(failure('ERR_SSL_WRONG_VERSION_NUMBER', 'wrong version number'), now);
  assert.match(plain.found, /does not speak TLS/);
  assert.match(plain.mend ?? '', /^ws:/);
  assert.match(judgeHandshake(failure('ECONNRESET'), now).found, /^no TLS/);
});

Link('warns of a certificate that ends within 14 days, and not before', () => {
  assert.is(judgeCertificateEnd(now + 14 * dayMs, now).state, 'ok');
  assert.is(judgeCertificateEnd(now + 14 * dayMs - 1, now).state, 'warning');
});

Link('warns of ws: across a network, and fails it at a TLS port', () => {
  assert.is(judgePlain('loopback', undefined).state, 'ok');
  assert.is(judgePlain('network', undefined).state, 'warning');
  assert.is(judgePlain('network', failure('ECONNRESET')).state, 'warning');
  assert.match(judgePlain('loopback', handshake).mend ?? '', /^wss:/);
});

Link('believes only a server that says it is ready', () => {
  const judge = (body: string, status = 200) => judgeReadiness(answer(body, { status }), 'ws').state;
  assert.is(judge('{"ready":true,"provider":"cpu"}'), 'ok');
  assert.is(judge('{"ready":false,"provider":"cpu"}', 503), 'failed');
  for (const body of ['', 'null', '[]', '<html>', '{"ready":"yes"}'])
    assert.is(judge(body, 404), 'skipped', body);
});

Link('takes a hang-up for a question after a client certificate with wss: alone', () => {
  assert.match(judgeReadiness(failure('ECONNRESET'), 'wss').mend ?? '', /--cloud-cert/);
  assert.not.match(judgeReadiness(failure('ECONNRESET'), 'ws').mend ?? '', /--cloud-cert/);
});

Link('warns of clocks that are more than 5 seconds apart, either way', () => {
  const judge = (dateMs: number | undefined) => judgeClock(answer('', { dateMs }));
  // The header has cut off half a second on average.
  assert.is(judge(now + 4500).state, 'ok');
  assert.is(judge(now - 5500).state, 'ok');
  assert.match(judge(now + 4501).found, /behind/);
  assert.is(judge(now + 4501).state, 'warning');
  assert.match(judge(now - 5501).found, /ahead/);
  assert.is(judge(now - 5501).state, 'warning');
  assert.is(judge(undefined).state, 'skipped');
});

Link('says the median of the pings, whatever their order', () => {
  assert.match(judgeRoundTrip([30, 10, 200]).found, /^30 ms \(median of 3 pings, 10 ms to 200 ms\)/);
  assert.is(judgeRoundTrip([]).state, 'warning');
});

Link('says of an error of many addresses what the first one was', () => {
  const first = Object.assign(new Error('connect ECONNREFUSED ::1:8470'), { code: 'ECONNREFUSED' });
  const failure = failureOf(new AggregateError([first, new Error('another')]));
  assert.is(failure.code, 'ECONNREFUSED');
  assert.is(failureWords(failure), 'connect ECONNREFUSED ::1:8470');
  assert.is(failureWords({ ...failure, message: 'refused' }), 'refused (ECONNREFUSED)');
});

Link.run();

const Hello = suite('doctor, the hello');
const claim = { id: 'parts-7', digest: 'a'.repeat(64) };
const welcome = (digests: readonly string[]) =>
  judgeHello(
    {
      kind: 'welcome',
      roundTripsMs: [],
      welcome: {
        ...{ server: 'offramp-cloud/1', credits: 64, maxFrameBytes: 1000, heartbeatMs: 5000 },
        bundles: digests.map((digest) => ({ id: claim.id, digest })),
        load: { queuedRows: 0, runningRows: 0 },
      },
    },
    claim,
  );

Hello('holds the welcome itself to the digest', () => {
  const other = 'b'.repeat(64);
  assert.is(welcome([other, claim.digest]).state, 'ok');
  const judged = welcome([other]);
  assert.is(judged.state, 'failed');
  assert.match(judged.found, new RegExp(`${claim.digest} here and ${other} on the server`));
  assert.match(welcome([]).found, /none on the server/);
});

Hello('shows the digest of this side also where a server does not repeat it', () => {
  const judged = judgeHello({ kind: 'refused', code: 'BUNDLE_DIGEST_MISMATCH', message: 'no' }, claim);
  assert.match(judged.found, claim.digest);
});

Hello('has a mend for whatever a server refuses with', () => {
  for (const code of [
    'UNAUTHORIZED',
    'FORBIDDEN',
    'BUNDLE_NOT_FOUND',
    'TOO_MANY_CONNECTIONS',
    'INTERNAL',
  ] as const) {
    const judged = judgeHello({ kind: 'refused', code, message: 'no' }, claim);
    assert.is(judged.state, 'failed');
    assert.match(judged.found, code);
    assert.ok((judged.mend ?? '').length > 10);
  }
});

Hello('suspects a proxy where there was no upgrade, or no subprotocol', () => {
  assert.match(judgeHello({ kind: 'not-upgraded', status: 404 }, claim).mend ?? '', /proxy/);
  const dropped = judgeHello(
    { kind: 'failed', code: undefined, message: 'Server sent no subprotocol' },
    claim,
  );
  assert.match(dropped.mend ?? '', /Sec-WebSocket-Protocol/);
  assert.not.match(judgeHello(failure('ECONNRESET'), claim).mend ?? '', /Sec-WebSocket-Protocol/);
});

Hello.run();
