import type { Provider } from './runner.ts';

/** onnxruntime, as its packages for Node and for a browser have it in common. */
export type Library = Pick<typeof import('onnxruntime-web'), 'InferenceSession' | 'Tensor'>;

/**
 * Loads the package that has a provider.
 * @param threads of each session, of which WebAssembly hears here and not from the session.
 */
export type LibraryOf = (provider: Provider, threads: number) => Promise<Library>;
