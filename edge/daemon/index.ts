export { decodeImage, type ResizeMode, resizeModes } from './decode-image.ts';
export {
  type AgentConfig,
  type EdgeConfig,
  type RunningAgent,
  type RunningEdge,
  startAgent,
  startEdge,
} from './start.ts';
export { type DialOptions, wsDial } from './ws-dial.ts';
