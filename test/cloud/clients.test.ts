import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Clients } from '../../cloud/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { parseTokens } from '../../shared/host/index.ts';
import { throwsCode } from '../protocol/expect.ts';
import { VirtualClock } from '../support/virtual-clock.ts';

const first = 'first-token-of-16';
const second = 'second-token-of-some-length';
const tokensOf = (...lines: string[]) => parseTokens(lines.join('\n'), 'the test');

function setting(...lines: string[]) {
  const clock = new VirtualClock();
  const rows: [string, number][] = [];
  let epochMs = Date.UTC(2026, 5, 1);
  const clients = new Clients({
    ...{ tokens: tokensOf(...lines), openScopes: ['infer'], clock, epochMs: () => epochMs },
    onRows: (client, count) => rows.push([client, count]),
  });
  return {
    clients,
    clock,
    rows,
    setTime: (at: number) => {
      epochMs = at;
    },
  };
}

/** Milliseconds after which the refusal says to come again. */
function waitOf(action: () => void): number {
  try {
    action();
  } catch (thrown) {
    if (thrown instanceof OfframpError && thrown.code === 'RATE_LIMITED') return thrown.retryAfterMs ?? 0;
    throw thrown;
  }
  return 0;
}

const Who = suite('who a client is');

Who('is the name of its token', () => {
  const { clients } = setting(first, `site-a ${second}`);
  assert.is(clients.connect({ token: first }).name, 'token-1');
  assert.is(clients.connect({ token: second }).name, 'site-a');
  assert.equal(Object.fromEntries(clients.connections), { 'token-1': 1, 'site-a': 1 });
});

Who('is the name in its certificate where there is one, with or without a token', () => {
  const { clients } = setting(first);
  assert.is(clients.connect({ token: first, certificate: 'camera-7' }).name, 'camera-7');
  throwsCode(() => clients.connect({ token: undefined, certificate: 'camera-7' }), 'UNAUTHORIZED');
  const { clients: open } = setting();
  assert.is(open.connect({ token: undefined, certificate: 'camera-7' }).name, 'camera-7');
});

Who('is nobody where no tokens are asked for, and may not administrate unless the server says so', () => {
  const { clients } = setting();
  assert.is(clients.connect({ token: 'anything' }).name, 'anonymous');
  assert.is(clients.identify({ token: undefined }, 'infer').name, 'anonymous');
  throwsCode(() => clients.identify({ token: undefined }, 'admin'), 'FORBIDDEN', 'asks for admin');
});

Who('must be known, in time, and allowed what it asks', () => {
  const { clients, setTime } = setting(`site-a ${first} expires 2026-06-01`, `ops ${second} scope admin`);
  throwsCode(() => clients.connect({ token: undefined }), 'UNAUTHORIZED', 'The hello carries no token');
  throwsCode(() => clients.connect({ token: `${first}x` }), 'UNAUTHORIZED', 'not known');
  throwsCode(() => clients.connect({ token: second }), 'FORBIDDEN', "'ops' is for admin");
  assert.is(clients.identify({ token: second }, 'admin').name, 'ops');
  throwsCode(() => clients.identify({ token: first }, 'admin'), 'FORBIDDEN');
  const connected = clients.connect({ token: first });
  assert.is(connected.refusal(), undefined);
  setTime(Date.UTC(2026, 5, 2));
  assert.is(connected.refusal()?.code, 'UNAUTHORIZED');
  throwsCode(() => clients.connect({ token: first }), 'UNAUTHORIZED', 'has expired');
});

Who.run();

const Limits = suite('limits of a token');

Limits('its connections count together until they end, HTTP requests do not', () => {
  const { clients } = setting(`site-a ${first} connections 2`, second);
  const one = clients.connect({ token: first });
  clients.connect({ token: first, certificate: 'camera-7' });
  throwsCode(() => clients.connect({ token: first }), 'TOO_MANY_CONNECTIONS', 'its token allows 2');
  clients.connect({ token: second });
  clients.identify({ token: first }, 'infer').leave();
  throwsCode(() => clients.connect({ token: first }), 'TOO_MANY_CONNECTIONS');
  one.leave();
  one.leave();
  clients.connect({ token: first });
  throwsCode(() => clients.connect({ token: first }), 'TOO_MANY_CONNECTIONS');
});

Limits('its requests in flight count over connections and HTTP', () => {
  const { clients, rows } = setting(`site-a ${first} in-flight 3`);
  const [one, two] = [clients.connect({ token: first }), clients.connect({ token: first })];
  const http = clients.identify({ token: first }, 'infer');
  assert.is(one.maxInFlight, 3);
  for (const client of [one, two, http]) client.begin(8);
  assert.ok(waitOf(() => two.begin(1)) > 0);
  http.end();
  two.begin(1);
  assert.ok(waitOf(() => one.begin(1)) > 0);
  assert.equal(
    rows.map(([, count]) => count),
    [8, 8, 8, 1],
    'what was refused is counted',
  );
});

Limits('its rows per second hold over time, and a request of many passes once', () => {
  const { clients, clock } = setting(`site-a ${first} rows-per-second 10`);
  const [one, two] = [clients.connect({ token: first }), clients.connect({ token: first })];
  one.begin(64);
  assert.is(
    waitOf(() => two.begin(1)),
    5500,
  );
  clock.advance(5500);
  two.begin(1);
  assert.is(
    waitOf(() => one.begin(1)),
    100,
  );
});

Limits('less than one row a second is a rate too', () => {
  const { clients, clock } = setting(`site-a ${first} rows-per-second 0.5`);
  const client = clients.connect({ token: first });
  client.begin(1);
  assert.is(
    waitOf(() => client.begin(1)),
    2000,
  );
  clock.advance(2000);
  client.begin(1);
});

Limits('what a refused request would have taken is still there', () => {
  const { clients } = setting(`site-a ${first} in-flight 1 rows-per-second 2`);
  const client = clients.connect({ token: first });
  client.begin(1);
  for (let time = 0; time < 5; time++) assert.ok(waitOf(() => client.begin(1)) > 0);
  client.end();
  client.begin(1);
});

Limits.run();

const Replacing = suite('replacing tokens');

Replacing('ends those that are gone, and no others', () => {
  const { clients } = setting(first, second);
  const [gone, stays] = [clients.connect({ token: first }), clients.connect({ token: second })];
  clients.replace(tokensOf(second));
  assert.is(gone.refusal()?.code, 'UNAUTHORIZED');
  assert.match(gone.refusal()?.message ?? '', "'token-1' is no longer");
  assert.is(stays.refusal(), undefined);
  throwsCode(() => clients.connect({ token: first }), 'UNAUTHORIZED');
  clients.replace(tokensOf(first, second));
  assert.is(gone.refusal()?.code, 'UNAUTHORIZED', 'a token that comes again is a new one');
});

Replacing('keeps what a token has open and in flight, under its new limits', () => {
  const { clients } = setting(`site-a ${first} connections 1 in-flight 1 rows-per-second 1`);
  const client = clients.connect({ token: first });
  client.begin(1);
  clients.replace(tokensOf(`site-b ${first} connections 2 in-flight 2`));
  assert.is(clients.connect({ token: first }).name, 'site-b');
  throwsCode(() => clients.connect({ token: first }), 'TOO_MANY_CONNECTIONS', "'site-b'");
  client.begin(100);
  assert.ok(waitOf(() => client.begin(1)) > 0);
  client.end();
  client.end();
  clients.replace(tokensOf(`site-b ${first} rows-per-second 1`));
  client.begin(1);
  assert.is(
    waitOf(() => client.begin(1)),
    1000,
  );
});

Replacing('takes a scope away at once', () => {
  const { clients } = setting(first);
  const client = clients.connect({ token: first });
  clients.replace(tokensOf(`${'ops'} ${first} scope admin`));
  assert.is(client.refusal()?.code, 'FORBIDDEN');
});

Replacing.run();
