import { join } from 'node:path';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  nearest,
  parseConfig,
  type Row,
  readConfigFile,
  settingsJson,
  settingsTable,
} from '../../scripts/config/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import { commands, fileWith, folder, refusal, shape } from './config-source.ts';

const File = suite('settings, the file');

File('takes a value for every key that the flag would take', () => {
  const text = '{"host":"::1","port":0,"bundle":["a","b"],"json":true,"device":"auto","bundles":{"a":{}}}';
  assert.equal(Object.fromEntries(parseConfig(text, 'f.json', shape)), JSON.parse(text));
});

File('takes the default of every option', () => {
  for (const option of shape.options) {
    if (option.defaultValue === undefined) continue;
    const key = option.attributeName();
    const values = parseConfig(JSON.stringify({ [key]: option.defaultValue }), 'f.json', shape);
    assert.equal(values.get(key), option.defaultValue, key);
  }
});

const portRange = 'a whole number from 0 to 65535';
const filled = 'a string that is not empty';
const list = 'a string or a list of strings, at least one and none empty';
const wrong: readonly [text: string, said: string][] = [
  ['', 'got nothing, expected a JSON object'],
  ['[]', 'got an empty list, expected a JSON object'],
  ['null', 'got null, expected a JSON object'],
  ['{\n  "port": 1\n  "host": "x"\n}', 'got what is not JSON at line 3, column 3, expected a JSON object'],
  ['{"port":"8470"}', 'port: got "8470", expected a number, without quotes'],
  ['{"port":70000}', `port: got 70000, expected ${portRange}`],
  ['{"port":1.5}', `port: got 1.5, expected ${portRange}`],
  ['{"port":1e999}', `port: got Infinity, expected ${portRange}`],
  ['{"port":null}', `port: got null, expected ${portRange}`],
  ['{"port":[1]}', `port: got a list, expected ${portRange}`],
  ['{"port":true}', `port: got true, expected ${portRange}`],
  ['{"host":5}', `host: got 5, expected ${filled}`],
  ['{"host":""}', `host: got "", expected ${filled}`],
  ['{"host":["x"]}', `host: got a list, expected ${filled}`],
  ['{"json":"true"}', 'json: got "true", expected true or false'],
  ['{"json":1}', 'json: got 1, expected true or false'],
  ['{"bundle":""}', `bundle: got "", expected ${list}`],
  ['{"bundle":[]}', `bundle: got an empty list, expected ${list}`],
  ['{"bundle":["a",1]}', `bundle: got a list, expected ${list}`],
  ['{"bundle":["a",""]}', `bundle: got a list, expected ${list}`],
  ['{"bundles":["a"]}', 'bundles: got a list, expected an object'],
  ['{"device":"gpu"}', 'device: got "gpu", expected one of cpu, webgpu, cuda, auto'],
  ['{"prot":1}', 'got the unknown key "prot", did you mean "port"?'],
  ['{"max-batch-rows":1}', 'got the unknown key "max-batch-rows", did you mean "maxBatchRows"?'],
  ['{"token":"abc"}', 'got the unknown key "token", did you mean "tokenFile"?'],
];
for (const [text, said] of wrong) {
  File(`refuses ${JSON.stringify(text)}`, () => {
    assert.is(
      refusal(() => parseConfig(text, 'f.json', shape)),
      `CONFIG_INVALID: f.json: ${said}`,
    );
  });
}

File('takes one string where a list may be', () => {
  assert.equal(parseConfig('{"bundle":"a"}', 'f.json', shape).get('bundle'), ['a']);
});

File('takes one number or several where a list of numbers may be, and checks each', () => {
  const edge = { options: commands.flatMap(({ options }) => options), sections: [] };
  const parsed = (value: string) => parseConfig(`{"threshold":${value}}`, 'f.json', edge).get('threshold');
  assert.equal([parsed('0.1'), parsed('[0, 0.25, 1]')], [[0.1], [0, 0.25, 1]]);
  const numbers = 'a number or a list of numbers, without quotes';
  for (const [value, said] of [
    ['"0.1"', `got "0.1", expected ${numbers}`],
    ['[]', `got an empty list, expected ${numbers}`],
    ['[0.1, "0.2"]', `got a list, expected ${numbers}`],
    ['[0.1, [0.2]]', `got a list, expected ${numbers}`],
    ['[0.1, 1.5]', 'got a list, expected a number from 0 to 1'],
    ['1e999', 'got Infinity, expected a number from 0 to 1'],
  ] as const) {
    assert.is(
      refusal(() => parsed(value)),
      `CONFIG_INVALID: f.json: threshold: ${said}`,
    );
  }
});

File('lists the keys where none is near, without those that are no settings', () => {
  for (const key of ['zzzzzzzz', '__proto__', 'config', 'printConfig']) {
    const said = refusal(() => parseConfig(`{"${key}":1}`, 'f.json', shape));
    assert.match(said, `got the unknown key "${key}", expected one of `);
    assert.not.match(said, / config,/);
  }
});

File('says nothing of what it got where that is no JSON: it may be a token', () => {
  for (const text of ['4f1d8c0e9b7a6d5c', '{"host": 4f1d8c0e9b7a6d5c}', '"4f1d8c0e9b7a6d5c']) {
    const said = refusal(() => parseConfig(text, 'f.json', shape));
    assert.match(said, 'got what is not JSON');
    assert.not.match(said, '4f1d');
  }
});

File('gives values that its flags could have, or refuses, whatever JSON it gets', () => {
  const keys = fc.constantFrom(...shape.options.map((option) => option.attributeName()), 'bundles', 'other');
  fc.assert(
    fc.property(fc.dictionary(keys, fc.jsonValue()), (settings) => {
      try {
        const values = parseConfig(JSON.stringify(settings), 'f.json', shape);
        const { bundle, allowOrigin, trustProxy, ...others } = JSON.parse(JSON.stringify(settings));
        const lists = Object.entries({ bundle, allowOrigin, trustProxy }).filter(
          ([, list]) => list !== undefined,
        );
        const wrapped = lists.map(([key, list]) => [key, typeof list === 'string' ? [list] : list]);
        assert.equal(Object.fromEntries(values), { ...others, ...Object.fromEntries(wrapped) });
      } catch (thrown) {
        if (!(thrown instanceof OfframpError)) throw thrown;
        assert.is(thrown.code, 'CONFIG_INVALID');
        assert.ok(thrown.message.length < 600, thrown.message);
      }
    }),
  );
});

File('refuses lists that go deep without going there', () => {
  const deep = `${'['.repeat(400_000)}${']'.repeat(400_000)}`;
  assert.match(
    refusal(() => parseConfig(`{"port":${deep}}`, 'f.json', shape)),
    'port: got a list',
  );
});

File('is refused when it cannot be read, is too long or is no UTF-8', () => {
  const missing = join(folder, 'none.json');
  assert.match(
    refusal(() => readConfigFile(missing)),
    `CONFIG_INVALID: Cannot read the configuration file ${missing}: ENOENT`,
  );
  assert.match(
    refusal(() => readConfigFile(folder)),
    `${folder}: EISDIR`,
  );
  const long = fileWith(`{}${' '.repeat(1024 * 1024 - 1)}`);
  assert.is(
    refusal(() => readConfigFile(long)),
    `CONFIG_INVALID: ${long}: got more than 1048576 bytes, expected at most that`,
  );
  assert.is(readConfigFile(fileWith(' '.repeat(1024 * 1024))).length, 1024 * 1024);
  const latin = fileWith(Uint8Array.of(0x7b, 0xff, 0x7d));
  assert.match(
    refusal(() => readConfigFile(latin)),
    'got bytes that are not UTF-8',
  );
  assert.is(
    readConfigFile(fileWith('\ufeff{"host":"ä"}')),
    '{"host":"ä"}',
    'a mark at the start is no part of the text',
  );
});

File('the nearest key is one of few other letters', () => {
  const keys = ['host', 'port', 'maxBatchRows', 'maxQueuedRows', 'logLevel'];
  const meant: readonly [word: string, key: string | undefined][] = [
    ['hots', 'host'],
    ['Port', 'port'],
    ['log_level', 'logLevel'],
    ['maxBatchRow', 'maxBatchRows'],
    ['maxQeuedRows', 'maxQueuedRows'],
    ['log', 'logLevel'],
    ['max', undefined],
    ['hello', undefined],
    ['', undefined],
  ];
  for (const [word, key] of meant) assert.is(nearest(word, keys), key, word);
});

File.run();

const Report = suite('settings, as printed');

const rows: readonly Row[] = [
  { key: 'port', value: 8470, origin: 'default', from: undefined },
  { key: 'cloud', value: 'wss://me:pass@word@gpu.example/x', origin: 'flag', from: '--cloud' },
  { key: 'bundle', value: ['a', 'b'], origin: 'environment', from: 'OFFRAMP_CLOUD_BUNDLE' },
  { key: 'tokenFile', value: undefined, origin: 'default', from: undefined },
  { key: 'bundles', value: { a: { url: 'x://me@b/', token: 'abcdef' } }, origin: 'file', from: 'f.json' },
];

Report('is a table of name, value and origin', () => {
  assert.equal(settingsTable(rows).split('\n'), [
    'setting    value                                         origin',
    '---------  --------------------------------------------  ------',
    'port       8470                                          default',
    'cloud      wss://(set)@gpu.example/x                     flag --cloud',
    'bundle     a, b                                          environment OFFRAMP_CLOUD_BUNDLE',
    'tokenFile  -                                             default',
    'bundles    {"a":{"url":"x://(set)@b/","token":"(set)"}}  file f.json',
  ]);
});

Report('is an object by name as JSON', () => {
  const printed = JSON.parse(settingsJson(rows));
  assert.equal(
    Object.keys(printed),
    rows.map(({ key }) => key),
  );
  assert.equal(printed.port, { value: 8470, origin: 'default', from: null });
  assert.equal(printed.tokenFile, { value: null, origin: 'default', from: null });
  assert.equal(printed.bundle.value, ['a', 'b']);
  assert.is(printed.cloud.value, 'wss://(set)@gpu.example/x');
  assert.equal(printed.bundles.value, { a: { url: 'x://(set)@b/', token: '(set)' } });
});

Report.run();
