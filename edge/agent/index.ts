export { AdaptiveAgent, type AdaptiveAgentOptions } from './adaptive-agent.ts';
export { Agent, type AgentOptions, type ClassifyOptions } from './agent.ts';
export { allowedDisagreement } from './allowed-disagreement.ts';
export type { Answer, DeviceOpinion, Route, StageTimes } from './answer.ts';
export { type AuditOptions, Auditor, type AuditStatus, type Drift } from './auditor.ts';
export { type BackoffLimits, backoffMs, defaultBackoff } from './backoff.ts';
export { type CutQuestion, chooseCut, segmentsAt } from './choose-cut.ts';
export {
  type CloudServers,
  type CloudServersOptions,
  joinServers,
  type ServerUplink,
  type UplinkListeners,
} from './cloud-servers.ts';
export { checkCloudUrl } from './cloud-url.ts';
export {
  Connection,
  type ConnectionLimits,
  type ConnectionOwner,
  type Dial,
  type DialledTransport,
  type Offload,
  type OffloadResult,
} from './connection.ts';
export { DeviceAlarms } from './device-alarms.ts';
export type { EndpointLink } from './endpoint.ts';
export { EndpointState } from './endpoint-state.ts';
export { Endpoints, type EndpointsOptions } from './endpoints.ts';
export { ExitShareMonitor, type ExitShareMonitorOptions, firstExitShare } from './exit-share-monitor.ts';
export { areLooser, type FixedThresholds, fixedThresholds } from './fixed-thresholds.ts';
export type { ImageSource, PictureFile } from './image-source.ts';
export { makePilot, type PilotParts } from './make-pilot.ts';
export type { AnswerCosts, Way } from './measured-costs.ts';
export { Pilot, type PilotOptions } from './pilot.ts';
export { ProbePace, probeBudgetMs } from './probe-pace.ts';
export { DurationEstimate, reserveMs } from './reserve.ts';
export { type CloudLink, Uplink, type UplinkEvent, type UplinkOptions } from './uplink.ts';
