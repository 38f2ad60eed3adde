import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OfframpError } from '../../shared/errors.ts';
import { httpAdmission, parseTokens, TokenTable, tokenRefusal } from '../../shared/host/index.ts';
import { throwsCode } from '../protocol/expect.ts';

const first = 'first-token-of-16';
const second = 'second-token-of-some-length';
const parse = (...lines: string[]) => parseTokens(lines.join('\n'), 'tokens.txt');

const Lines = suite('lines of a token file');

Lines('a line alone is a token, called by its number', () => {
  assert.equal(parse('# ours', '', first, `  ${second}\r`), [
    { name: 'token-3', token: first, scopes: ['infer'] },
    { name: 'token-4', token: second, scopes: ['infer'] },
  ]);
});

Lines('a name, a token and settings in any order', () => {
  const line = `site-a ${first} rows-per-second 12.5 scope admin,infer connections 4 expires 2026-12-31 in-flight 32`;
  assert.equal(parse(line), [
    {
      ...{ name: 'site-a', token: first, scopes: ['infer', 'admin'] },
      ...{ connections: 4, inFlight: 32, rowsPerSecond: 12.5 },
      expiresAtMs: Date.UTC(2027, 0, 1),
    },
  ]);
});

Lines('the same as JSON', () => {
  const fields = { name: 'site-a', token: first, expires: '2026-12-31', connections: 4, inFlight: 32 };
  const json = JSON.stringify({ ...fields, rowsPerSecond: 12.5, scopes: ['infer'] });
  const words = `site-a ${first} expires 2026-12-31 connections 4 in-flight 32 rows-per-second 12.5 scope infer`;
  assert.equal(parse(json), parse(words));
  assert.equal(parse(JSON.stringify({ token: first })), parse(first));
});

Lines('two tokens may share a name, while one is changed for the other', () => {
  assert.equal(
    parse(`site-a ${first}`, `site-a ${second}`).map(({ name }) => name),
    ['site-a', 'site-a'],
  );
});

const wrong: Readonly<Record<string, string>> = {
  'a token of 15 characters': 'only-15-letters',
  'a token of 513 characters': 't'.repeat(513),
  'a name and a short token': 'site-a short',
  'a name of odd letters': `site/a ${first}`,
  'a name of 65 letters': `${'n'.repeat(65)} ${first}`,
  'an unknown word': `site-a ${first} speed 4`,
  'a word of every object': `site-a ${first} constructor 4`,
  'a word without a value': `site-a ${first} connections`,
  'a word twice': `site-a ${first} connections 4 connections 5`,
  'no connections': `site-a ${first} connections 0`,
  'half a connection': `site-a ${first} connections 1.5`,
  'a limit that is no number': `site-a ${first} in-flight many`,
  'a limit without end': `site-a ${first} rows-per-second Infinity`,
  'a scope that is none': `site-a ${first} scope infer,root`,
  'a scope twice': `site-a ${first} scope infer,infer`,
  'no scope': `site-a ${first} scope ,`,
  'a day that is none': `site-a ${first} expires 2026-02-30`,
  'a date in another order': `site-a ${first} expires 31.12.2026`,
  'a date with a time': `site-a ${first} expires 2026-12-31T10:00`,
  'JSON cut short': `{"token": "${first}"`,
  'JSON without a token': '{"name": "site-a"}',
  'JSON with a number for a token': '{"token": 1234567890123456}',
  'JSON with an unknown field': `{"token": "${first}", "limit": 4}`,
  'JSON with a number in words': `{"token": "${first}", "connections": "4"}`,
  'JSON with one scope for many': `{"token": "${first}", "scopes": "infer"}`,
};

for (const [what, line] of Object.entries(wrong)) {
  Lines(`${what} is CONFIG_INVALID, with its line and without what is on it`, () => {
    const secrets = line.match(/[\w-]{12,}/g) ?? [];
    const thrown = (() => {
      try {
        parse('# a comment', line);
      } catch (error) {
        return error;
      }
      return undefined;
    })();
    assert.instance(thrown, OfframpError);
    if (!(thrown instanceof OfframpError)) return;
    assert.is(thrown.code, 'CONFIG_INVALID');
    assert.match(thrown.message, 'Line 2 of tokens.txt: ');
    for (const secret of secrets) assert.not(thrown.message.includes(secret), thrown.message);
    assert.is(thrown.cause, undefined, 'a cause would show what the line holds');
  });
}

Lines('the same token twice is CONFIG_INVALID, whatever else is said of it', () => {
  throwsCode(() => parse(first, `site-a ${first}`), 'CONFIG_INVALID', 'line 1');
});

Lines('more tokens than are looked at for every hello are CONFIG_INVALID', () => {
  const many = Array.from({ length: 4097 }, (_, index) => `${first}-${index}`);
  throwsCode(() => parse(...many), 'CONFIG_INVALID', '4097');
  assert.is(parse(...many.slice(1)).length, 4096);
});

Lines('any text gives tokens or CONFIG_INVALID, and every token has 16 characters at least', () => {
  const word = fc.constantFrom(
    'site',
    first,
    second,
    'expires',
    '2026-12-31',
    'scope',
    'admin',
    '{',
    '"',
    '1',
    '#',
  );
  const text = fc.array(fc.oneof(word, fc.string()), { maxLength: 8 }).map((words) => words.join(' '));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 4 }), (lines) => {
      try {
        for (const { token, scopes } of parse(...lines)) assert.ok(token.length >= 16 && scopes.length > 0);
      } catch (thrown) {
        assert.ok(thrown instanceof OfframpError && thrown.code === 'CONFIG_INVALID', String(thrown));
      }
    }),
    { numRuns: 500, seed: 4 },
  );
});

Lines.run();

const Table = suite('the table of tokens');

Table('lets in exactly those that know a token', () => {
  const table = new TokenTable(parse(first, `site-a ${second}`));
  assert.is(table.find(first)?.name, 'token-1');
  assert.is(table.find(second)?.name, 'site-a');
  const others = [undefined, '', 'x', first.slice(1), `${first} `, first.toUpperCase(), `${first}${second}`];
  for (const token of others) assert.is(table.find(token), undefined, `let in ${token}`);
});

Table('compares a token of any letters and any length whole', () => {
  const long = 'ü€😀'.repeat(128);
  assert.is(long.length, 512);
  const table = new TokenTable(parse(long));
  assert.ok(table.find(long));
  assert.is(table.find(long.slice(0, -1)), undefined);
});

Table('keeps no token', () => {
  const table = new TokenTable(parse(`site-a ${first}`));
  assert.not(JSON.stringify(table.tokens).includes(first));
  assert.not(JSON.stringify(table.find(first)).includes(first));
});

Table('knows a token by the same id whatever else the file says of it', () => {
  const [before, after] = [`old ${first}`, `new ${first} connections 3`].map(
    (line) => new TokenTable(parse(line)),
  );
  assert.is(before?.find(first)?.id, after?.find(first)?.id);
});

Table('a token holds to the end of its last day, UTC', () => {
  const table = new TokenTable(parse(`site-a ${first} expires 2026-12-31`));
  const at = (time: string) => Date.parse(`${time}Z`);
  assert.is(table.identify(first, 'infer', at('2026-12-31T23:59:59.999'), 'It').name, 'site-a');
  throwsCode(
    () => table.identify(first, 'infer', at('2027-01-01T00:00'), 'It'),
    'UNAUTHORIZED',
    "'site-a' has expired",
  );
});

Table('a scope that the token does not have is FORBIDDEN', () => {
  const table = new TokenTable(parse(first, `ops ${second} scope admin`));
  throwsCode(() => table.identify(first, 'admin', 0, 'It'), 'FORBIDDEN', 'asks for admin');
  throwsCode(() => table.identify(second, 'infer', 0, 'It'), 'FORBIDDEN', "'ops' is for admin");
  assert.is(table.identify(second, 'admin', 0, 'It').name, 'ops');
  assert.is(tokenRefusal({ name: 'x', scopes: ['infer', 'admin'] }, 'admin', 0), undefined);
});

Table('what is not known is UNAUTHORIZED, and told apart from nothing', () => {
  const table = new TokenTable(parse(first));
  throwsCode(
    () => table.identify(undefined, 'infer', 0, 'The hello'),
    'UNAUTHORIZED',
    'The hello carries no token',
  );
  throwsCode(
    () => table.identify(second, 'infer', 0, 'The hello'),
    'UNAUTHORIZED',
    'a token that is not known',
  );
});

Table.run();

const Http = suite('tokens over HTTP');

Http('a bearer token is let in until it expires, anything else is not', () => {
  let now = Date.UTC(2026, 11, 31);
  const admit = httpAdmission(parse(`site-a ${first} expires 2026-12-31`), '0.0.0.0', () => now);
  const refused = (authorization?: string) => admit({ ...(authorization && { authorization }) })?.code;
  assert.is(refused(`Bearer ${first}`), undefined);
  for (const header of [undefined, first, `Basic ${first}`, `Bearer ${second}`, `Bearer  ${first}`]) {
    assert.is(refused(header), 'UNAUTHORIZED', header);
  }
  now = Date.UTC(2027, 0, 1);
  assert.is(refused(`Bearer ${first}`), 'UNAUTHORIZED');
});

Http('a token for the administration alone is FORBIDDEN', () => {
  const admit = httpAdmission(parse(`ops ${first} scope admin`), '0.0.0.0');
  assert.is(admit({ authorization: `Bearer ${first}` })?.code, 'FORBIDDEN');
});

Http.run();
