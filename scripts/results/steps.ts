import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OfframpError } from '../../shared/errors.ts';
import { type Documents, documentFiles } from './documents.ts';

export type StepName = keyof Documents;

/** What measures each document, less where it is written to. */
const commands: Readonly<Record<StepName, readonly string[]>> = {
  table: ['evaluate', '--table', '--json'],
  links: ['simulate', '--scenario', 'six-links'],
  linksLive: [
    ...['bench', 'e2e', '--scenario', 'six-links', '--seconds', '75', '--jobs', '2'],
    ...['--only', '*/ours', '--only', '*/edge only, whole', '--only', '*/cloud only, picture'],
    ...['--only', '*/BranchyNet/DDNN', '--only', '*/edge only, exits'],
  ],
  againstLive: [
    ...['bench', 'e2e', '--scenario', 'against-live', '--compare', '--jobs', '2'],
    ...['--emulator', 'packet', '--congestion', 'cubic'],
  ],
  web: ['bench', 'web', '--json'],
};

const digits = 6;

export const stepNames = Object.keys(commands).filter((name): name is StepName => name in documentFiles);

/**
 * Measures a document with a process of its own, as if somebody had typed the command, and writes it into the folder.
 * @throws OfframpError INTERNAL when the command fails; what it had to say was printed.
 */
export async function measureStep(
  step: StepName,
  folder: string,
  dataFolder: string | undefined,
): Promise<void> {
  const file = join(folder, documentFiles[step]);
  const prints = commands[step].includes('--json');
  const args = prints ? commands[step] : [...commands[step], '--out', file];
  const env = { ...process.env, ...(dataFolder !== undefined && { OFFRAMP_DATA: dataFolder }) };
  const [program = ''] = process.argv.slice(1);
  const child = spawn(process.execPath, [...process.execArgv, program, ...args], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (prints) printed += text;
  });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code !== 0) throw new OfframpError('INTERNAL', `offramp ${args.join(' ')} ended with ${code}`);
  writeFileSync(file, tidied(prints ? printed : readFileSync(file, 'utf8')));
}

/** Where a file was written to is nobody's business who repeats the command, and six digits are more than anybody measures. */
function tidied(text: string): string {
  const document = JSON.parse(text) as { command: string };
  document.command = document.command.replace(/ --(out|data) ('[^']*'|\S+)/g, '');
  const rounded = (_key: string, value: unknown) =>
    typeof value === 'number' ? Number(value.toPrecision(digits)) : value;
  return `${JSON.stringify(document, rounded, 1)}\n`;
}
