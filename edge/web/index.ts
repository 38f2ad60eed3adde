/** The agent inside a page; see docs/web.md. */
export { type ErrorCode, OfframpError } from '../../shared/errors.ts';
export type { Objective } from '../../shared/plan/index.ts';
export type { Answer, DeviceOpinion, Route, StageTimes } from '../agent/index.ts';
export type {
  AgentEvent,
  AgentSettings,
  AgentStatus,
  BundleFacts,
  ClassifyOptions,
  PageImage,
  PageProvider,
  PlanStatus,
  Problem,
  ServerStatus,
  SettingsInUse,
  StartOptions,
  WebAgent,
} from './api.ts';
export { startAgent } from './start-agent.ts';
