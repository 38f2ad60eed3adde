import type { FastifyBaseLogger } from 'fastify';
import type { ResizeMode } from '../../shared/host/index.ts';
import type { EdgeMetrics } from './metrics.ts';
import { pictureSource } from './picture-source.ts';
import type { RunningAgent } from './start-agent.ts';
import { FolderWatch, type WatchConfig } from './watch-folder.ts';

/** Callers of the HTTP API are to find room beside the pictures of a full folder. */
const mostInFlight = 16;

export interface WatchSurroundings {
  readonly maxInFlight: number;
  readonly resize: ResizeMode;
  readonly metrics: EdgeMetrics;
  readonly logger: FastifyBaseLogger;
}

/**
 * Has the agent answer what appears in a folder.
 * @throws OfframpError CONFIG_INVALID where the folder cannot be read.
 */
export function startWatch(
  config: WatchConfig,
  { agent, bundle }: RunningAgent,
  { maxInFlight, resize, metrics, logger }: WatchSurroundings,
): Promise<FolderWatch> {
  const { shape } = bundle.manifest.input;
  return FolderWatch.start({
    ...config,
    classify: (picture) => agent.classify(pictureSource(picture, shape, resize)),
    onAnswer: (answer) => metrics.onAnswer(answer),
    onError: ({ code }) => metrics.onRefused(code),
    maxInFlight: Math.min(mostInFlight, maxInFlight),
    logger,
  });
}
