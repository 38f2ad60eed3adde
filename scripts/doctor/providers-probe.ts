import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Provider } from '../../shared/runtime/index.ts';
import type { Device } from '../options.ts';
import { runtimeVersion } from '../project.ts';
import { type Check, skipped } from './check.ts';
import { judgeLibrary, judgeProvider, type ProviderTrial } from './providers.ts';

const tried: readonly Provider[] = ['cpu', 'cuda', 'webgpu', 'wasm'];
/** A GPU compiles its first graph, and a small device starts a process slowly. */
const trialLimitMs = 20_000;

/**
 * Tries every execution provider with the first segment of a bundle.
 * @param bundleFolder of a bundle that is whole; absent where there is none.
 */
export async function examineProviders(bundleFolder: string | undefined, device: Device): Promise<Check[]> {
  if (bundleFolder === undefined) {
    const nothing = skipped('not tried: no bundle is whole');
    return ['onnxruntime', ...tried.map(nameOf)].map((check) => ({ check, ...nothing }));
  }
  const trials = new Map(
    await Promise.all(
      tried.map(async (provider) => [provider, await tryProvider(bundleFolder, provider)] as const),
    ),
  );
  const cpu = trials.get('cpu');
  const wanted = tried.filter((provider) => provider !== 'cpu' || cpu?.kind === 'ran');
  return [
    ...(cpu === undefined ? [] : [{ check: 'onnxruntime', ...judgeLibrary(runtimeVersion, cpu) }]),
    ...wanted.map((provider) => ({
      check: nameOf(provider),
      ...judgeProvider(provider, device, trials),
    })),
  ];
}

function nameOf(provider: Provider): string {
  return `provider ${provider}`;
}

function tryProvider(bundleFolder: string, provider: Provider): Promise<ProviderTrial> {
  const isSource = import.meta.url.endsWith('.ts');
  const file = new URL(isSource ? './provider-process.ts' : './provider-process.js', import.meta.url);
  const child = fork(fileURLToPath(file), [bundleFolder, provider], {
    // A child does not inherit the loader that lets this process import TypeScript.
    execArgv: isSource ? ['--import', import.meta.resolve('tsx')] : [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  return new Promise((resolve) => {
    let trial: ProviderTrial | undefined;
    const settle = (outcome: ProviderTrial) => {
      trial ??= outcome;
      // Freeing a GPU may hang or crash; what there is to know is known.
      child.kill('SIGKILL');
    };
    const timer = setTimeout(() => settle({ kind: 'late', limitMs: trialLimitMs }), trialLimitMs);
    // Nobody but provider-process.ts sends here, and it sends exactly this.
    child.once('message', (message) => settle(message as ProviderTrial));
    child.once('error', ({ message }) => {
      clearTimeout(timer);
      resolve({ kind: 'refused', reason: message });
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      resolve(trial ?? { kind: 'ended', how: signal ?? `code ${code}` });
    });
  });
}
