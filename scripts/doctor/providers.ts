import type { Provider } from '../../shared/runtime/index.ts';
import type { Device } from '../options.ts';
import { type Finding, failed, ok, skipped, warning } from './check.ts';

/** What became of a graph on an execution provider, in a process of its own. */
export type ProviderTrial =
  /** It was loaded and has run; `runMicros` is that of one warm image. */
  | { readonly kind: 'ran'; readonly runMicros: number }
  | { readonly kind: 'refused'; readonly reason: string }
  /** The process ended by itself, as a driver may make it, with this exit code or signal. */
  | { readonly kind: 'ended'; readonly how: string }
  | { readonly kind: 'late'; readonly limitMs: number };

const needs: Readonly<Record<Provider, string>> = {
  cpu: 'npm ci, which fetches onnxruntime for this machine; where it has no binary, offramp edge --runtime wasm',
  cuda: 'an NVIDIA driver, CUDA 12, cuDNN 9, and: npm rebuild onnxruntime-node --ignore-scripts=false --onnxruntime-node-install=cuda12',
  webgpu:
    "on Linux: apt-get install libvulkan1 and the GPU's Vulkan driver (AMD, Intel: mesa-vulkan-drivers), then offramp bench device",
  wasm: 'npm ci, which fetches onnxruntime-web',
};

/** Whether the native library of onnxruntime loads, by what the CPU made of a graph. */
export function judgeLibrary(version: string, cpu: ProviderTrial): Finding {
  const name = `onnxruntime-node ${version}`;
  if (cpu.kind === 'ran') return ok(`${name} loads`);
  return failed(`${name} does not: ${whyNot(cpu)}`, needs.cpu);
}

/**
 * What a provider's trial means for the device asked for. Without the CPU nothing runs; a GPU that nobody asked for may be away.
 * @param trials of all providers, since `auto` needs one GPU and not all.
 */
export function judgeProvider(
  provider: Provider,
  device: Device,
  trials: ReadonlyMap<Provider, ProviderTrial>,
): Finding {
  const trial = trials.get(provider);
  if (trial === undefined) return skipped('not tried');
  if (trial.kind === 'ran') return ok(`runs a graph, ${(trial.runMicros / 1000).toFixed(2)} ms an image`);
  const reason = whyNot(trial);
  if (provider === 'cpu' || provider === device) return failed(reason, needs[provider]);
  const isGpu = provider === 'cuda' || provider === 'webgpu';
  const haveGpu = [trials.get('cuda'), trials.get('webgpu')].some((other) => other?.kind === 'ran');
  if (isGpu && device === 'auto' && !haveGpu) {
    return warning(`not here, so that --device auto takes the CPU: ${reason}`, needs[provider]);
  }
  return ok(`not here, and not asked for: ${reason}`);
}

function whyNot(trial: Exclude<ProviderTrial, { kind: 'ran' }>): string {
  switch (trial.kind) {
    case 'refused':
      return trial.reason;
    case 'ended':
      return `the process that tried it ended with ${trial.how}`;
    case 'late':
      return `nothing within ${trial.limitMs / 1000} s`;
  }
}
