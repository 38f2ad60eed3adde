export { answerJson, errorWords } from './answer-json.ts';
export { type ClassifyLinesOptions, classifyLines, type LinesTally } from './classify-lines.ts';
export type { CloudTlsFiles } from './cloud-tls.ts';
export { pictureSource } from './picture-source.ts';
export { type EdgeConfig, type RunningEdge, startEdge } from './start.ts';
export { type AgentConfig, type RunningAgent, startAgent } from './start-agent.ts';
export type { EdgeRuntime } from './start-runner.ts';
export type { WatchConfig } from './watch-folder.ts';
export { type DialOptions, wsDial } from './ws-dial.ts';
