import type { TraceSpan } from '../../shared/trace/index.ts';
import type { Answer } from './answer.ts';

/**
 * Ends an image's span with its stages, laid end to end as they add up to the latency. What the cloud's own part was made of, its
 * spans say; here it is one, from the frame's way out to its way back.
 */
export function traceAnswer(span: TraceSpan, startedAtMs: number, answer: Answer): void {
  const { prepare, device, exit, encode, network, cloudQueue, cloudRun } = answer.stagesMs;
  const stages = { prepare, device, exit, encode, cloud: network + cloudQueue + cloudRun };
  let atMs = startedAtMs;
  for (const [stage, tookMs] of Object.entries(stages)) {
    if (tookMs > 0) span.part(stage, atMs, atMs + tookMs);
    atMs += tookMs;
  }
  span.end(startedAtMs + answer.latencyMs, {
    'offramp.route': answer.route,
    'offramp.exit': answer.exit,
    'offramp.entropy': answer.entropy,
    'offramp.degraded': answer.degraded,
    'offramp.bytes_sent': answer.bytesSent,
    ...(answer.reason !== undefined && { 'offramp.reason': answer.reason }),
  });
}
