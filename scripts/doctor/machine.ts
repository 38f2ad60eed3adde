import { type Finding, failed, ok, skipped, warning } from './check.ts';

/**
 * Node's version against `engines.node` of package.json, of which `>=MAJOR.MINOR` is understood.
 * @param version such as `v20.19.0`.
 */
export function judgeNode(version: string, wanted: string): Finding {
  const found = `${version}, wanted ${wanted}`;
  const [, least] = /^>=\s*([\d.]+)$/.exec(wanted) ?? [];
  if (least === undefined) return skipped(found);
  if (isAtLeast(numbersOf(version), numbersOf(least))) return ok(found);
  return failed(found, `install Node ${least} or newer, from https://nodejs.org or with nvm`);
}

/** Machines that the native package of onnxruntime has a binary for, `platform arch`. */
const nativeMachines = ['darwin arm64', 'linux arm64', 'linux x64', 'win32 arm64', 'win32 x64'];

export interface Platform {
  readonly platform: string;
  readonly arch: string;
  /** Version of the GNU C library; absent where there is another one, or none. */
  readonly glibc: string | undefined;
}

/** Whether a native onnxruntime can be expected here. Whether it loads is another check. */
export function judgePlatform({ platform, arch, glibc }: Platform): Finding {
  const machine = `${platform} ${arch}`;
  if (!nativeMachines.includes(machine)) {
    const mend = `on the device: offramp edge --runtime wasm. Else one of ${nativeMachines.join(', ')}`;
    return warning(`${machine}, for which onnxruntime has no native binary`, mend);
  }
  if (platform === 'linux' && glibc === undefined) {
    const mend =
      'an image with the GNU C library, such as node:24-slim; on the device also offramp edge --runtime wasm';
    return warning(`${machine} without the GNU C library (musl?), which onnxruntime's binary needs`, mend);
  }
  return ok(glibc === undefined ? machine : `${machine}, glibc ${glibc}`);
}

export interface Threads {
  readonly workers: number;
  readonly threads: number;
}

/** Cores against the inference threads, one kept for the thread that owns the sockets. */
export function judgeCores(cores: number, { workers, threads }: Threads): Finding {
  const wanted = workers * threads;
  const found = `${cores} for ${workers} x ${threads} inference threads and the one that owns the sockets`;
  if (wanted <= Math.max(1, cores - 1)) return ok(found);
  return warning(found, `--workers times --threads at most ${Math.max(1, cores - 1)}`);
}

const mebibyte = 1024 * 1024;
/** Resident on Linux x64: a daemon with all its modules, and each inference thread before its graphs. */
const [processBytes, workerBytes] = [190 * mebibyte, 30 * mebibyte];
/** What a thread takes for weights, prepared weights and activations, as a multiple of the graphs' files. */
const perGraphByte = 10;

/** Free memory against a rough estimate of what a server takes. */
export function judgeMemory(freeBytes: number, graphBytes: number, { workers }: Threads): Finding {
  const wanted = processBytes + workers * (workerBytes + perGraphByte * graphBytes);
  const found = `${inMebibytes(freeBytes)} free, about ${inMebibytes(wanted)} wanted`;
  if (freeBytes >= wanted) return ok(found);
  return warning(found, 'fewer --workers, fewer bundles, or end what takes the memory (ps aux --sort -rss)');
}

/** Descriptors that are no connections: files, pipes, the event loop's own. */
const ownDescriptors = 100;

/** The limit of file descriptors against the connections expected; the limit is `undefined` where the system does not tell. */
export function judgeDescriptors(limit: number | undefined, connections: number): Finding {
  if (limit === undefined) return skipped('this system does not tell the limit');
  const wanted = connections + ownDescriptors;
  const found = `${limit} at once, ${wanted} wanted for ${connections} connections`;
  if (limit >= wanted) return ok(found);
  return warning(
    found,
    `ulimit -n ${wanted}, or LimitNOFILE=${wanted} in the systemd unit, or fewer --max-connections`,
  );
}

/** The soft limit in the text of /proc/self/limits; Infinity for `unlimited`, `undefined` for a text without it. */
export function openFilesLimit(limits: string): number | undefined {
  const [, soft] = /^Max open files\s+(\d+|unlimited)\s/m.exec(limits) ?? [];
  if (soft === undefined) return undefined;
  return soft === 'unlimited' ? Number.POSITIVE_INFINITY : Number(soft);
}

function inMebibytes(bytes: number): string {
  return `${Math.round(bytes / mebibyte)} MiB`;
}

function numbersOf(version: string): number[] {
  return version.replace(/^v/, '').split('.').map(Number);
}

function isAtLeast(version: readonly number[], least: readonly number[]): boolean {
  for (let at = 0; at < Math.max(version.length, least.length); at++) {
    const [own = 0, other = 0] = [version[at], least[at]];
    if (own !== other) return own > other;
  }
  return true;
}
