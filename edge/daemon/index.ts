export type { CloudTlsFiles } from './cloud-tls.ts';
export { pictureSource } from './picture-source.ts';
export {
  type AgentConfig,
  type EdgeConfig,
  type EdgeRuntime,
  type RunningAgent,
  type RunningEdge,
  startAgent,
  startEdge,
} from './start.ts';
export { type DialOptions, wsDial } from './ws-dial.ts';
