import { spawn, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { endProcesses, leftProcesses, marked } from './leftovers.ts';
import { blankSource } from './source.ts';
import {
  closingLine,
  exitStatus,
  type FileRun,
  judge,
  parseSkipReasons,
  parseTotals,
  suitesNotRun,
  sumVerdicts,
  type Verdict,
} from './verdict.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'offramp-verdict-'));
symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

/** The head of every tiny test file; in one piece with a body it is a real uvu file. */
const head = "import { suite } from 'uvu';\nimport * as assert from 'uvu/assert';\n";

/** Runs a tiny uvu file as the runner would, and judges it. */
function judged(body: string): { exitCode: number | null; verdict: Verdict } {
  const path = join(folder, 'tiny.test.mjs');
  const source = head + body;
  writeFileSync(path, source);
  const { status, signal, stdout, stderr } = spawnSync(process.execPath, [path], {
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
    timeout: 20_000,
  });
  const run: FileRun = { exitCode: status, signal, leftProcesses: false, output: stdout + stderr };
  return { exitCode: status, verdict: judge(source, run) };
}

const verdicts = suite('verdict');

verdicts('a file whose tests all pass holds', () => {
  const { verdict } = judged(
    "const s = suite('s'); s('one', () => assert.is(1, 1)); s('two', () => {}); s.run();",
  );
  assert.equal(verdict, { passed: 2, failed: 0, skipped: 0, skipReasons: [], failures: [] });
});

verdicts('a failed assertion fails and the others still count', () => {
  const { verdict } = judged(
    "const s = suite('s'); s('one', () => assert.is(1, 2)); s('two', () => {}); s.run();",
  );
  assert.is(verdict.failed, 1);
  assert.is(verdict.passed, 1);
  assert.ok(verdict.failures.includes('a test failed'));
});

verdicts('a before hook that throws fails, although uvu exits 0', () => {
  const { exitCode, verdict } = judged(
    "const s = suite('s'); s.before(() => { throw new Error('x'); }); s('one', () => {}); s.run();",
  );
  assert.is(exitCode, 0);
  assert.equal(verdict.failures, ['0 of 1 tests passed']);
});

verdicts('an after.each hook that throws fails, although uvu exits 0', () => {
  const { exitCode, verdict } = judged(
    "const s = suite('s'); s.after.each(() => { throw new Error('x'); }); s('one', () => {}); s('two', () => {}); s.run();",
  );
  assert.is(exitCode, 0);
  assert.is(verdict.failed, 2);
});

verdicts('a test that throws a string fails, although uvu exits 0', () => {
  const { exitCode, verdict } = judged(
    "const s = suite('s'); s('one', () => { throw 'text'; }); s('two', () => {}); s.run();",
  );
  assert.is(exitCode, 0);
  assert.is(verdict.failed, 2);
});

verdicts('a file that never runs its suite fails, although node exits 0', () => {
  const { exitCode, verdict } = judged("const s = suite('s'); s('one', () => {});");
  assert.is(exitCode, 0);
  assert.equal(verdict.failures, [
    'no closing lines: no suite was run to its end',
    'suite never run: s.run() is missing',
  ]);
});

verdicts('a second suite that is never run fails beside one that passes', () => {
  const { exitCode, verdict } = judged(
    "const a = suite('a'); a('one', () => {}); a.run(); const b = suite('b'); b('two', () => assert.is(1, 2));",
  );
  assert.is(exitCode, 0);
  assert.equal(verdict.failures, ['suite never run: b.run() is missing']);
});

verdicts('a file without tests fails, although uvu exits 0', () => {
  const { exitCode, verdict } = judged("const s = suite('s'); s.run();");
  assert.is(exitCode, 0);
  assert.equal(verdict.failures, ['no test ran']);
});

verdicts('a test.only left in fails, although uvu exits 0', () => {
  const { exitCode, verdict } = judged(
    "const s = suite('s'); s.only('one', () => {}); s('two', () => assert.is(1, 2)); s.run();",
  );
  assert.is(exitCode, 0);
  assert.is(verdict.failed, 1);
  assert.match(verdict.failures[0] ?? '', 'test.only');
});

verdicts('a test that ends the process with 0 fails', () => {
  const { verdict } = judged("const s = suite('s'); s('one', () => process.exit(0)); s.run();");
  assert.ok(verdict.failures.includes('ended before its tests did'));
});

verdicts('a test that prints closing lines of its own and ends the process fails', () => {
  const { verdict } = judged(
    "const s = suite('s'); s('one', () => { console.log('\\n  Total:     1\\n  Passed:    1\\n  Skipped:   0'); process.exit(0); }); s.run();",
  );
  assert.is(verdict.failed, 1);
});

verdicts('a promise that never settles fails', () => {
  const { verdict } = judged("const s = suite('s'); s('one', () => new Promise(() => {})); s.run();");
  assert.ok(verdict.failures.includes('ended before its tests did'));
});

verdicts('a rejection nobody handles fails', () => {
  const { verdict } = judged(
    "const s = suite('s'); s('one', () => { Promise.reject(new Error('x')); }); s.run();",
  );
  assert.is(verdict.failed > 0, true);
});

verdicts('an abort after the closing lines fails', () => {
  const { verdict } = judged(
    "const s = suite('s'); s('one', () => {}); s.run(); setTimeout(() => process.abort(), 300);",
  );
  assert.equal(verdict.failures, ['ended by SIGABRT']);
});

verdicts('a test that says SKIP and returns counts as skipped and not as passed', () => {
  const { verdict } = judged(
    "const s = suite('s'); s('one', () => { process.stdout.write('\\nSKIP no data\\n'); }); s('two', () => {}); s.run();",
  );
  assert.equal(verdict, { passed: 1, failed: 0, skipped: 1, skipReasons: ['no data'], failures: [] });
});

verdicts('a test that uvu skips holds with a reason and fails without', () => {
  const body = "const s = suite('s'); s.skip('one', () => {}); s('two', () => {}); s.run();";
  assert.is(judged(body).verdict.failed, 1);
  const { verdict } = judged(`${body} process.stdout.write('SKIP no browser\\n');`);
  assert.equal(verdict, { passed: 1, failed: 0, skipped: 1, skipReasons: ['no browser'], failures: [] });
});

verdicts('a file that ran into its time limit fails, whatever it printed', () => {
  const output = '\n  Total:     1\n  Passed:    1\n  Skipped:   0\n  Duration:  1.00ms\n\n';
  const run = { exitCode: null, signal: 'SIGKILL', leftProcesses: false, timedOutAfterSeconds: 7, output };
  assert.equal(judge('', run).failures, ['not done after 7 s: stopped']);
  assert.equal(judge('', { exitCode: 0, signal: null, leftProcesses: true, output }).failed, 1);
});

verdicts('the totals are those of the last closing lines', () => {
  const block = (n: number): string => `  Total:     ${n}\n  Passed:    ${n}\n  Skipped:   0\n`;
  assert.equal(parseTotals(`${block(3)}noise\n${block(5)}  Duration:  1ms\n`), {
    total: 5,
    passed: 5,
    skipped: 0,
  });
  assert.is(parseTotals('Total: 3\nPassed: three\n'), undefined);
});

verdicts('SKIP inside a line is no skip', () => {
  assert.equal(parseSkipReasons('I SKIP this\nSKIP  \nSKIP one\n  • SKIP two \n'), ['one', 'two']);
});

verdicts('the sum fails when nothing passed', () => {
  const none = { passed: 0, failed: 0, skipped: 2, skipReasons: ['a', 'b'], failures: [] };
  assert.equal(sumVerdicts([none, { ...none, passed: 3, failed: 1 }]), { passed: 3, failed: 1, skipped: 4 });
  assert.is(exitStatus(sumVerdicts([none])), 1);
  assert.is(exitStatus(sumVerdicts([])), 1);
  assert.is(exitStatus({ passed: 3, failed: 1 }), 1);
  assert.is(exitStatus({ passed: 3, failed: 0 }), 0);
  assert.is(closingLine({ passed: 3, failed: 0, skipped: 1 }), '3 passed, 0 failed, 1 skipped');
});

verdicts('the default suite of uvu must be run too', () => {
  assert.equal(suitesNotRun("import { test } from 'uvu';\ntest('x', () => {});"), ['test']);
  assert.equal(suitesNotRun("import { suite, test } from 'uvu';\ntest('x', () => {});\ntest.run();"), []);
  assert.equal(suitesNotRun("import { test } from './other.ts';"), []);
});

verdicts('a run in a comment or a string does not count', () => {
  assert.equal(suitesNotRun("const a = suite('a');\n// a.run();\nconst text = 'a.run()';"), ['a']);
  assert.equal(suitesNotRun("const a = suite<{ n: number }>('a');\nba.run(); a.run();"), []);
  assert.equal(suitesNotRun("suite('a')('x', () => {});"), ['1 suite(s) without a name']);
});

verdicts('blanking keeps code, lengths and lines, and takes out literals', () => {
  const hole = '$';
  const source = `const a = /['"\`]/g.test('x\\'y') // 'c'
  ? \`t${hole}{b({ c: \`u\` })}v\` : 4 / 2 / 1; /* \` */ f("z");`;
  const { code, strings } = blankSource(source);
  assert.is(code.length, source.length);
  assert.is(code.split('\n').length, 2);
  assert.ok(code.includes('b({ c:') && code.includes('4 / 2 / 1;') && code.includes('f('));
  assert.not.match(code, /[cxyzuvt]'|g\.test\('x/);
  assert.equal([...strings.values()], ["x\\'y", 'u', 'z']);
});

verdicts.run();

/** The runner's own files in a project of its own, so that it can be run on files that fail. */
function project(files: Record<string, string>): string {
  const home = mkdtempSync(join(folder, 'project-'));
  mkdirSync(join(home, 'test/support'), { recursive: true });
  mkdirSync(join(home, 'test/e2e'));
  symlinkSync(join(root, 'node_modules'), join(home, 'node_modules'));
  writeFileSync(join(home, 'package.json'), '{ "type": "module" }');
  copyFileSync(join(root, 'tsconfig.json'), join(home, 'tsconfig.json'));
  for (const file of [
    'run.ts',
    ...['compiled', 'leftovers', 'source', 'verdict'].map((name) => `support/${name}.ts`),
  ]) {
    copyFileSync(join(root, 'test', file), join(home, 'test', file));
  }
  for (const [name, body] of Object.entries(files)) writeFileSync(join(home, 'test', name), head + body);
  return home;
}

interface Run {
  readonly code: number | null;
  readonly lines: string[];
  /** All that it has written, to stderr too. */
  readonly said: string;
}

function start(home: string, ...args: string[]): Promise<Run> {
  const child = spawn(process.execPath, ['--import', 'tsx', 'test/run.ts', ...args], { cwd: home });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  let problems = '';
  child.stderr.setEncoding('utf8').on('data', (part: string) => {
    problems += part;
  });
  return new Promise((resolve) =>
    child.once('close', (code) =>
      resolve({ code, lines: text.trimEnd().split('\n'), said: text + problems }),
    ),
  );
}

/** Whether it is there and has not ended; one that has ended may wait for its parent to notice. */
function isRunning(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return !/^ [ZX]/.test(stat.slice(stat.lastIndexOf(')') + 1));
  } catch {
    return false;
  }
}

const runner = suite('runner');
const good = "const s = suite('s'); s('one', () => assert.is(1, 1)); s.run();";

runner('passes on good files, finds them in folders, and ends with its closing line', async () => {
  const { code, lines } = await start(
    project({ 'a.test.ts': good, 'e2e/b.test.ts': good, 'c.ts': 'throw 1;' }),
  );
  assert.is(lines.at(-1), '2 passed, 0 failed, 0 skipped');
  assert.is(code, 0);
  assert.is(lines.filter((line) => line.startsWith('ok ')).length, 2);
});

runner('fails when one of the files fails and shows its output', async () => {
  const bad = "const s = suite('s'); s('breaks', () => assert.is(1, 2)); s.run();";
  const { code, lines } = await start(project({ 'a.test.ts': good, 'b.test.ts': bad }));
  assert.is(lines.at(-1), '1 passed, 1 failed, 0 skipped');
  assert.is(code, 1);
  assert.ok(lines.some((line) => line.includes('"breaks"')));
});

runner('runs only what the pattern matches, and fails when that is nothing', async () => {
  const home = project({ 'a.test.ts': good, 'b.test.ts': 'throw new Error();' });
  assert.is((await start(home, 'A\\.test')).code, 0);
  const { code, lines } = await start(home, 'nowhere');
  assert.is(code, 1);
  assert.is(lines.at(-1), '0 passed, 1 failed, 0 skipped');
});

runner('runs files, and what they start, from a compiled copy, which goes at the end', async () => {
  const where = join(mkdtempSync(join(folder, 'where-')), 'where');
  const tell = `import { writeFileSync } from 'node:fs';
${good}
const written: string = import.meta.url;
writeFileSync(${JSON.stringify(where)}, written);`;
  const home = project({ 'tell.test.ts': tell });
  assert.is((await start(home)).code, 0);
  const ran = fileURLToPath(readFileSync(where, 'utf8'));
  assert.match(ran, /tell\.test\.js$/);
  assert.not(ran.startsWith(home));
  assert.not(existsSync(ran), 'the copy is still there');
  assert.equal(readdirSync(join(home, 'test')).sort(), ['e2e', 'run.ts', 'support', 'tell.test.ts']);
});

runner('runs nothing when a source cannot be parsed, and says where', async () => {
  const { code, said } = await start(project({ 'a.test.ts': good, 'broken.ts': 'const = 1;' }));
  assert.is(code, 1);
  assert.match(said, /broken\.ts/);
  assert.not.match(said, 'ok ');
});

runner('stops a file that hangs after its closing lines, and one that leaves a process behind', async () => {
  const hang = `${good}\nsetInterval(() => {}, 1000);`;
  const leave = `import { spawn } from 'node:child_process';\n${good}\nspawn('sleep', ['60'], { stdio: 'ignore' }).unref();`;
  const { code, lines } = await start(
    project({ 'hang.test.ts': hang, 'leave.test.ts': leave }),
    '--timeout-seconds',
    '4',
  );
  const text = lines.join('\n');
  assert.match(text, 'not done after 4 s: stopped');
  assert.match(text, 'left processes running after its end');
  assert.is(lines.at(-1), '2 passed, 2 failed, 0 skipped');
  assert.is(code, 1);
});

runner('ends a server with a session of its own, and fails the file that left it', async () => {
  const pidFile = join(mkdtempSync(join(folder, 'pid-')), 'pid');
  const leave = `import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
${good}
const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true });
child.unref();
writeFileSync(${JSON.stringify(pidFile)}, String(child.pid));`;
  const { code, lines } = await start(project({ 'a.test.ts': good, 'leave.test.ts': leave }));
  const pid = Number(readFileSync(pidFile, 'utf8'));
  try {
    if (process.platform === 'linux') {
      assert.match(lines.join('\n'), 'left processes running after its end');
      assert.is(lines.at(-1), '2 passed, 1 failed, 0 skipped');
      assert.is(code, 1);
      assert.not(isRunning(pid), 'the server is still there');
    } else {
      process.stdout.write('\nSKIP only Linux tells the environment of a process\n');
    }
  } finally {
    if (isRunning(pid)) process.kill(pid, 'SIGKILL');
  }
});

runner.run();

const leftovers = suite('leftovers');

leftovers('are known by any mark that was handed down, and by no other', async () => {
  if (process.platform !== 'linux') {
    process.stdout.write('\nSKIP only Linux tells the environment of a process\n');
    return;
  }
  const [outer, inner] = [`outer-${process.pid}`, `inner-${process.pid}`];
  const env = marked(inner, marked(outer, process.env));
  const child = spawn('sleep', ['60'], { stdio: 'ignore', detached: true, env });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  // No process has the highest number there is as its group.
  const nobody = 2 ** 31 - 1;
  try {
    await new Promise((resolve) => child.once('spawn', resolve));
    assert.equal(leftProcesses(nobody, outer), [child.pid]);
    assert.equal(leftProcesses(nobody, inner), [child.pid]);
    assert.equal(leftProcesses(nobody, 'inner'), []);
    endProcesses(nobody, outer);
    await ended;
    assert.is(child.signalCode, 'SIGKILL');
  } finally {
    child.kill('SIGKILL');
  }
});

leftovers.run();
