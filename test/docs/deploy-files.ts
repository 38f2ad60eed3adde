/** The files of docs/deploy/ as the tests look at them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectFolder } from '../e2e/support.ts';
import { parseYaml, type Yaml } from '../support/yaml.ts';

export const deployFolder = join(projectFolder, 'docs', 'deploy');
export const deployFiles = readdirSync(deployFolder).sort();

export function deployText(name: string): string {
  return readFileSync(join(deployFolder, name), 'utf8');
}

export function yamlDocuments(name: string): Yaml[] {
  return parseYaml(deployText(name));
}

/** What is found along a way of keys and positions. @throws Error where the way ends early. */
export function at(value: Yaml, ...way: readonly (string | number)[]): Yaml {
  let found: Yaml | undefined = value;
  for (const step of way) {
    found =
      typeof found === 'object' && found !== null
        ? Object.entries(found).find(([key]) => key === String(step))?.[1]
        : undefined;
    if (found === undefined) throw new Error(`nothing at '${step}' of ${way.join('.')}`);
  }
  return found;
}

export function listAt(value: Yaml, ...way: readonly (string | number)[]): readonly Yaml[] {
  const found = at(value, ...way);
  if (!Array.isArray(found)) throw new Error(`${way.join('.')} is no list`);
  return found;
}

/** The document of a kind in kubernetes.yaml. */
export function manifest(kind: string): Yaml {
  const found = yamlDocuments('kubernetes.yaml').filter((document) => at(document, 'kind') === kind);
  const [only] = found;
  if (found.length !== 1 || only === undefined) throw new Error(`${found.length} documents of kind ${kind}`);
  return only;
}

/** The values of a key in a unit or a drop-in, in order; lines that end in a backslash go on. */
export function unitValues(name: string, key: string): string[] {
  const lines = deployText(name).replaceAll('\\\n', ' ').split('\n');
  return lines.filter((line) => line.startsWith(`${key}=`)).map((line) => line.slice(key.length + 1).trim());
}

/** A command line as the files have it, and where it stands. */
export interface CommandLine {
  readonly place: string;
  /** After `offramp`. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
}

/** Every command line of ours in the units, the manifest and a page. */
export function commandLines(page: string): CommandLine[] {
  return [...unitCommands(), manifestCommand(), ...pageCommands(page)];
}

function unitCommands(): CommandLine[] {
  const dropIns = deployFiles.filter((name) => name.endsWith('.conf') && name.startsWith('offramp-'));
  return deployFiles
    .filter((name) => name.endsWith('.service'))
    .flatMap((unit) => {
      const own = dropIns.filter((name) => name.startsWith(`${unit.replace('.service', '')}-`));
      const args = unitValues(unit, 'ExecStart').map(unitArguments);
      // Each drop-in by itself, and the unit without any.
      return [[], ...own.map((name) => [name])].flatMap((names) =>
        args.map((line) => ({
          place: [unit, ...names].join(' with '),
          args: line,
          env: Object.fromEntries(names.flatMap((name) => unitValues(name, 'Environment')).map(variable)),
        })),
      );
    });
}

function unitArguments(line: string): string[] {
  const [program, ...args] = line.split(/\s+/);
  if (program !== '/opt/offramp/scripts/offramp.mjs') throw new Error(`a unit starts ${program}`);
  return args;
}

function variable(text: string): [string, string] {
  const [name = '', value = ''] = text.split(/=(.*)/s);
  return [name, value];
}

function manifestCommand(): CommandLine {
  const args = listAt(manifest('Deployment'), 'spec', 'template', 'spec', 'containers', 0, 'args');
  return { place: 'kubernetes.yaml', args: args.map(String), env: {} };
}

/** Lines of the page's shell blocks that start one of our servers. */
function pageCommands(page: string): CommandLine[] {
  const blocks = [...page.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map(([, block = '']) => block);
  const lines = blocks.flatMap((block) => block.replaceAll('\\\n', ' ').split('\n'));
  return lines.flatMap((line) => {
    const args = /^(?:sudo )?(?:npx )?(?:\/opt\/offramp\/scripts\/offramp\.mjs|offramp) (.*)$/.exec(
      line,
    )?.[1];
    if (args === undefined) return [];
    return [{ place: `deploying.md: ${line}`, args: args.replace(/\s+#.*$/, '').split(/\s+/), env: {} }];
  });
}
