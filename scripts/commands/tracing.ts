import type { Logger } from 'pino';
import { startTracing, type Tracing } from '../../shared/host/index.ts';
import type { TracingSettings } from '../cli/tracing.ts';
import { version } from '../project.ts';

/** Begins to trace where an endpoint is given; says in the log when spans cannot be delivered. */
export async function tracingOf(
  { otlpEndpoint: endpoint, traceShare: share }: TracingSettings,
  service: string,
  logger: Logger,
): Promise<Tracing | undefined> {
  if (endpoint === undefined) return undefined;
  return startTracing({
    ...{ endpoint, share, service, version },
    onChange(problem) {
      if (problem === undefined) logger.info({ endpoint }, 'traces are delivered again');
      else logger.warn({ endpoint }, `traces cannot be delivered: ${problem}`);
    },
  });
}
