import type { Bundle } from '../../shared/bundle/index.ts';
import type { OfframpError } from '../../shared/errors.ts';
import type { CloudServers, Pilot, UplinkEvent } from '../agent/index.ts';
import type { AgentEvent, AgentStatus, BundleFacts, PlanStatus, Problem } from './api.ts';

/** The words of an error, without what cannot leave a worker. */
export function problemOf({ code, message }: OfframpError): Problem {
  return { code, message };
}

export function bundleFacts({ manifest, digest }: Bundle): BundleFacts {
  const { id, version, title, classes, input, exits, cuts, segments } = manifest;
  return {
    ...{ id, version, title, digest, classes, inputShape: input.shape },
    exits: exits.map(({ name, threshold }) => ({ name, ...(threshold !== undefined && { threshold }) })),
    cuts: cuts.map(({ rates }, index) => {
      const all = segments[index]?.codes?.shape[0] ?? 0;
      return { cut: index + 1, channels: rates?.map(({ channels }) => channels) ?? [all] };
    }),
  };
}

export function planStatus({ choice, changes }: Pilot): PlanStatus | undefined {
  if (choice === undefined) return undefined;
  const { plan, latency, accuracy, deviceShare, bytes } = choice.prediction;
  const { meanMs, p50Ms, p95Ms, p99Ms } = latency;
  const predicted = { latency: { meanMs, p50Ms, p95Ms, p99Ms }, accuracy, deviceShare, bytes };
  return { key: plan.key, changes, predicted };
}

export function cloudStatus({ cloud, uplinks }: CloudServers): AgentStatus['cloud'] {
  if (cloud === undefined) return undefined;
  const { problem } = cloud;
  return {
    connected: cloud.connected,
    ...(problem !== undefined && { problem: problemOf(problem) }),
    servers: uplinks.map(({ url, uplink }, index) => {
      const { connected, welcome, lateAnswers, lastError } = uplink;
      const link = cloud.linkFigures(index);
      return {
        ...{ url, connected, lateAnswers },
        ...(welcome !== undefined && { server: welcome.server }),
        ...(link !== undefined && link.observations > 0 && { link }),
        ...(!connected && { problem: problemOf(lastError) }),
      };
    }),
  };
}

export function eventOf(event: UplinkEvent, url: string): AgentEvent {
  switch (event.kind) {
    case 'connected':
      return { kind: 'connected', url, server: event.welcome.server };
    case 'goaway':
      return { kind: 'goaway', url, reason: event.reason };
    case 'disconnected':
      return { kind: 'disconnected', url, problem: problemOf(event.error), retryInMs: event.retryInMs };
  }
}
