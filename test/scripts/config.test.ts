import { join } from 'node:path';
import { Option } from 'commander';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ConfiguredCommand, type Row, withoutSettings } from '../../scripts/config/index.ts';
import { NumbersOption, port, RepeatableOption, share } from '../../scripts/options.ts';
import { commands, fileWith, folder, refusal } from './config-source.ts';

type Variables = Readonly<Record<string, string>>;

/** Does something with variables in the environment, and leaves it as it was. */
function withVariables<Result>(variables: Variables, work: () => Result): Result {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  try {
    return work();
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
    Object.assign(process.env, before);
  }
}

/** A command with one setting of each kind, and what can be between them. */
function tool(): ConfiguredCommand {
  return new ConfiguredCommand('tool')
    .option('--port <number>', 'a number', port, 1)
    .addOption(new RepeatableOption('--bundle <id>', 'a list').default(['z']))
    .addOption(new NumbersOption('--level <number>', 'numbers', share))
    .option('--json', 'a switch')
    .option('--token-file <file>', 'a file')
    .addOption(new Option('--plain', 'conflicts').conflicts('certificate'))
    .addOption(new Option('--certificate <file>', 'implies').implies({ json: true }))
    .addConfigOptions()
    .addSecret({ name: 'token', variable: 'TOOL_TOKEN', file: 'tokenFile' })
    .addSection('bundles', 'bundleSettings');
}

interface Given {
  readonly flags?: readonly string[] | undefined;
  readonly variables?: Variables | undefined;
  /** What the configuration file holds. */
  readonly file?: object | undefined;
}

interface Merged {
  readonly settings: Readonly<Record<string, unknown>>;
  readonly rows: ReadonlyMap<string, Row>;
}

function merge({ flags = [], variables = {}, file }: Given): Merged {
  const config = file === undefined ? [] : ['--config', fileWith(JSON.stringify(file))];
  let settings: Readonly<Record<string, unknown>> = {};
  const command = tool()
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .serve(async (got: Readonly<Record<string, unknown>>) => {
      settings = got;
    });
  const rows = withVariables(variables, () => command.parse([...config, ...flags], { from: 'user' }).rows());
  return { settings, rows: new Map(rows.map((row) => [row.key, row])) };
}

const origins = ['default', 'file', 'environment', 'flag'] as const;

/** The origin that counts, of those that have something. */
function firstOf(
  given: Readonly<Partial<Record<(typeof origins)[number], unknown>>>,
): (typeof origins)[number] {
  return origins.findLast((origin) => given[origin] !== undefined) ?? 'default';
}

const Precedence = suite('settings, precedence');

const ways = [
  {
    key: 'port',
    variable: 'OFFRAMP_TOOL_PORT',
    flags: ['--port', '2'],
    text: '3',
    values: { flag: 2, environment: 3, file: 4, default: 1 },
  },
  {
    key: 'bundle',
    variable: 'OFFRAMP_TOOL_BUNDLE',
    flags: ['--bundle', 'a', '--bundle', 'b'],
    text: 'c, d',
    values: { flag: ['a', 'b'], environment: ['c', 'd'], file: ['e', 'f'], default: ['z'] },
  },
  {
    key: 'json',
    variable: 'OFFRAMP_TOOL_JSON',
    flags: ['--json'],
    text: 'false',
    values: { flag: true, environment: false, file: true, default: undefined },
  },
  {
    key: 'tokenFile',
    variable: 'OFFRAMP_TOOL_TOKEN_FILE',
    flags: ['--token-file', 'a'],
    text: 'b',
    values: { flag: 'a', environment: 'b', file: 'c', default: undefined },
  },
];
for (const { key, variable, flags, text, values } of ways) {
  Precedence(`${key} is taken from the flag, else the variable, else the file, else the default`, () => {
    for (const byFlag of [flags, undefined]) {
      for (const byVariable of [{ [variable]: text }, undefined]) {
        for (const byFile of [{ [key]: values.file }, undefined]) {
          const { settings, rows } = merge({ flags: byFlag, variables: byVariable, file: byFile });
          const origin = firstOf({ flag: byFlag, environment: byVariable, file: byFile });
          assert.equal(settings[key], values[origin], origin);
          assert.is(rows.get(key)?.origin, origin);
        }
      }
    }
  });
}

Precedence('an origin names the flag, the variable or the file', () => {
  const config = fileWith('{ "tokenFile": "c" }');
  const { rows } = merge({
    flags: ['--port', '2'],
    variables: { OFFRAMP_TOOL_JSON: '1', OFFRAMP_TOOL_CONFIG: config },
  });
  const from = (key: string) => [rows.get(key)?.origin, rows.get(key)?.from];
  assert.equal(from('port'), ['flag', '--port']);
  assert.equal(from('json'), ['environment', 'OFFRAMP_TOOL_JSON']);
  assert.equal(from('config'), ['environment', 'OFFRAMP_TOOL_CONFIG']);
  assert.equal(from('tokenFile'), ['file', config]);
  assert.equal(from('bundle'), ['default', undefined]);
});

Precedence('an empty variable counts as absent, of every kind', () => {
  const empty = {
    OFFRAMP_TOOL_PORT: '',
    OFFRAMP_TOOL_BUNDLE: '',
    OFFRAMP_TOOL_JSON: '',
    OFFRAMP_TOOL_CONFIG: '',
  };
  const { settings } = merge({
    variables: { ...empty, OFFRAMP_TOOL_TOKEN_FILE: '', TOOL_TOKEN: '' },
    file: { port: 5, tokenFile: 'c' },
  });
  assert.equal(
    [settings.port, settings.bundle, settings.json, settings.tokenFile],
    [5, ['z'], undefined, 'c'],
  );
});

Precedence('a variable with a wrong value is wrong usage and names itself', () => {
  const wrong: readonly [name: string, text: string, expected: string][] = [
    ['OFFRAMP_TOOL_PORT', '65536', 'Expected a whole number from 0 to 65535.'],
    ['OFFRAMP_TOOL_PORT', ' ', 'Expected a whole number from 0 to 65535.'],
    ['OFFRAMP_TOOL_JSON', 'yes', 'Expected true or false.'],
    ['OFFRAMP_TOOL_BUNDLE', ' , ', 'Expected a list, separated by commas.'],
  ];
  for (const [name, text, expected] of wrong) {
    const said = refusal(() => merge({ variables: { [name]: text } }));
    assert.ok(said.startsWith('usage: '), said);
    assert.ok(said.includes(`value '${text}' from env '${name}' is invalid. ${expected}`), said);
  }
});

Precedence('a wrong value is found in the file even where a flag has another', () => {
  assert.match(
    refusal(() => merge({ flags: ['--port', '2'], file: { port: -1 } })),
    /^CONFIG_INVALID: .*port: got -1/,
  );
});

Precedence('conflicts are found between a flag, a variable and the file', () => {
  const both: readonly Given[] = [
    { flags: ['--plain'], file: { certificate: 'c' } },
    { variables: { OFFRAMP_TOOL_PLAIN: 'true' }, file: { certificate: 'c' } },
    { variables: { OFFRAMP_TOOL_CERTIFICATE: 'c' }, file: { plain: true } },
    { file: { plain: true, certificate: 'c' } },
  ];
  for (const given of both) {
    const said = refusal(() => merge(given));
    assert.match(said, / cannot be used with .*; what .*\.json sets counts too$/);
  }
  const withoutFile = refusal(() => merge({ flags: ['--plain', '--certificate', 'c'] }));
  assert.match(withoutFile, /'--certificate <file>'$/);
});

Precedence('what a setting implies holds wherever it comes from, and yields to what is said', () => {
  const certificate = { certificate: 'c' };
  assert.is(merge({ file: certificate }).settings.json, true);
  assert.is(merge({ file: certificate }).rows.get('json')?.origin, 'implied');
  assert.is(merge({ variables: { OFFRAMP_TOOL_CERTIFICATE: 'c' } }).settings.json, true);
  assert.is(merge({ file: { ...certificate, json: false } }).settings.json, false);
  assert.is(merge({ file: certificate, variables: { OFFRAMP_TOOL_JSON: '0' } }).settings.json, false);
});

Precedence("a token's variable goes before a token file of the configuration file only", () => {
  const variables = { TOOL_TOKEN: 'abc' };
  const file = { tokenFile: 'c' };
  const inFile = merge({ variables, file });
  assert.is(inFile.settings.tokenFile, undefined);
  assert.equal(inFile.rows.get('token'), {
    key: 'token',
    value: '(set)',
    origin: 'environment',
    from: 'TOOL_TOKEN',
  });
  const inFlag = merge({ flags: ['--token-file', 'a'], variables, file });
  assert.equal([inFlag.settings.tokenFile, inFlag.rows.get('token')?.value], ['a', undefined]);
  const inVariable = merge({ variables: { ...variables, OFFRAMP_TOOL_TOKEN_FILE: 'b' }, file });
  assert.equal([inVariable.settings.tokenFile, inVariable.rows.get('token')?.value], ['b', undefined]);
  assert.is(merge({ file }).rows.get('token')?.value, undefined);
});

Precedence('a section is handed on as it is, and only the file has it', () => {
  const bundles = { parts: { max_batch_size: 8, dynamic_batching: { anything: [null] } } };
  assert.equal(merge({ file: { bundles } }).settings.bundleSettings, bundles);
  assert.is(merge({}).settings.bundleSettings, undefined);
  assert.is(merge({ file: { bundles } }).rows.get('bundles')?.origin, 'file');
});

Precedence('help is shown whatever the file is', () => {
  const variables = { OFFRAMP_TOOL_CONFIG: join(folder, 'none.json') };
  const quiet = tool()
    .exitOverride()
    .configureOutput({ writeOut: () => {} });
  const said = refusal(() => withVariables(variables, () => quiet.parse(['--help'], { from: 'user' })));
  assert.is(said, 'usage: (outputHelp)');
});

Precedence.run();

const Numbers = suite('settings, lists of numbers');

Numbers('come repeated or with commas, and flags replace variables, variables the file', () => {
  const variables = { OFFRAMP_TOOL_LEVEL: '0.3,0.4' };
  const file = { level: [0.5, 0.6] };
  const levels = (given: Given) => merge(given).settings.level;
  assert.is(levels({}), undefined);
  assert.equal(levels({ file }), [0.5, 0.6]);
  assert.equal(levels({ variables, file }), [0.3, 0.4]);
  assert.equal(levels({ flags: ['--level', '0.1', '--level', '0,1'], variables, file }), [0.1, 0, 1]);
});

Numbers('are each as a single one has to be', () => {
  for (const text of ['0.1,', ',', '0.1,2', 'x', '0.1;0.2']) {
    assert.match(
      refusal(() => merge({ flags: ['--level', text] })),
      'Expected a number from 0 to 1',
    );
  }
});

Numbers.run();

const Variables = suite('settings, variables');

Variables(
  'every option of cloud and edge has one, named after it, without the no of a switch that is on',
  () => {
    for (const command of commands) {
      for (const { long, envVar } of command.options) {
        const name = `OFFRAMP_${command.name()}${long?.slice(1).replace(/^-no-/, '-')}`
          .replaceAll('-', '_')
          .toUpperCase();
        assert.is(envVar, long === '--print-config' ? undefined : name);
      }
    }
  },
);

Variables('no two are the same, and none is that of a token', () => {
  const names = commands.flatMap(({ options }) => options.flatMap(({ envVar = [] }) => envVar));
  assert.is(new Set([...names, 'OFFRAMP_CLOUD_TOKEN', 'OFFRAMP_EDGE_TOKEN']).size, names.length + 2);
});

Variables('an option that collects what it is given says that it is a list', () => {
  for (const { options } of commands) {
    for (const option of options) {
      const { parseArg } = option;
      if (parseArg === undefined || option.argChoices !== undefined) continue;
      let made: unknown;
      try {
        made = parseArg<unknown>('1', undefined);
      } catch {
        continue;
      }
      const isList = option instanceof RepeatableOption || option instanceof NumbersOption;
      assert.is(Array.isArray(made), isList, option.flags);
    }
  }
});

Variables('servers that another command starts get tokens and no settings', () => {
  const before = { OFFRAMP_CLOUD_PORT: '1', OFFRAMP_EDGE_CLOUD_TOKEN_FILE: 'a', OFFRAMP_EDGE_CONFIG: 'b' };
  const kept = { OFFRAMP_CLOUD_TOKEN: 'c', OFFRAMP_EDGE_TOKEN: 'd', OFFRAMP_DATA: 'e', PATH: 'f' };
  assert.equal(withoutSettings({ ...before, ...kept }), kept);
});

Variables.run();
