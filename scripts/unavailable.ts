import { OfframpError } from '../shared/errors.ts';
import type { Provider } from '../shared/runtime/index.ts';

const needs: Readonly<Partial<Record<Provider, string>>> = {
  cuda: 'cuda needs an NVIDIA GPU, the CUDA provider of onnxruntime, CUDA 12 and cuDNN 9',
  webgpu: "webgpu needs on Linux the Vulkan loader (libvulkan1) and the GPU's Vulkan driver",
};

/** The error of a device that is not there, with what it needs; any other error as it is. */
export function unavailable(thrown: unknown, providers: readonly Provider[]): unknown {
  if (!(thrown instanceof OfframpError) || thrown.code !== 'PROVIDER_UNAVAILABLE') return thrown;
  const mend = providers.flatMap((provider) => needs[provider] ?? []).join('; ');
  if (mend === '') return thrown;
  const message = `${thrown.message.trim()}. What to install: ${mend}; see "On a GPU machine" in docs/operating.md`;
  return new OfframpError('PROVIDER_UNAVAILABLE', message, { cause: thrown });
}
