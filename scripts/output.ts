import cliProgress from 'cli-progress';

// A reader that has seen enough, such as `head`, or one that has died is no failure of ours; unheard, the error would end the
// process with a stack trace.
for (const stream of [process.stdout, process.stderr]) {
  stream.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

/** Writes data: the one thing that goes to stdout. */
export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Writes a line of data, and waits for whoever reads slowly; rejects when nobody reads any more. */
export function printLine(text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(`${text}\n`, (error) => (error ? reject(error) : resolve()));
  });
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Writes talk, to stderr. */
export function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** A progress bar on stderr where that is a terminal, silence elsewhere. */
export function progressBar(label: string, total: number): Progress {
  if (!process.stderr.isTTY) return { update() {}, stop() {} };
  const bar = new cliProgress.SingleBar({
    format: `${label} [{bar}] {value}/{total} {eta_formatted}`,
    stream: process.stderr,
    clearOnComplete: true,
  });
  bar.start(total, 0);
  return { update: (done) => bar.update(done), stop: () => bar.stop() };
}

/** Tells how far a stage of the work is. */
export type StageProgress<Stage extends string> = (stage: Stage, done: number, total: number) => void;

/** Does work that goes through stages, with a progress bar for each; the bar goes away whether the work ends well or not. */
export async function withProgress<Stage extends string, Result>(
  labels: Readonly<Record<Stage, string>>,
  work: (onProgress: StageProgress<Stage>) => Promise<Result>,
): Promise<Result> {
  let bar: Progress | undefined;
  let shown: Stage | undefined;
  try {
    return await work((stage, done, total) => {
      if (stage !== shown) {
        bar?.stop();
        bar = progressBar(labels[stage], total);
        shown = stage;
      }
      bar?.update(done);
    });
  } finally {
    bar?.stop();
  }
}

/** Lays rows out in columns; the first column is left-aligned, the others right-aligned. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [header, ...rows];
  const widths = header.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd();
  const rule = widths.map((width) => '-'.repeat(width)).join('  ');
  return [line(header), rule, ...rows.map(line)].join('\n');
}

/** Where a server listens, in words: with a wildcard host its URL would name only one of its addresses. */
export function listeningPlace(host: string, url: string): string {
  if (host !== '0.0.0.0' && host !== '::') return url;
  return `port ${new URL(url).port} of every address of this machine`;
}

export function percent(share: number, digits = 2): string {
  return Number.isFinite(share) ? `${(share * 100).toFixed(digits)} %` : '-';
}

export function milliseconds(value: number | undefined): string {
  return value === undefined || !Number.isFinite(value) ? '-' : `${value.toFixed(value < 10 ? 2 : 1)} ms`;
}
