import type { RouteShares, RunResult } from '../../simulate/index.ts';

/** How far a simulation is off what the same run was with real processes. */
export interface Comparison {
  readonly policy: string;
  readonly link: string;
  readonly devices: number;
  /** Simulated over real, less 1. */
  readonly meanError: number;
  readonly p50Error: number;
  readonly p95Error: number;
  /** Simulated share less the real one, in points of a hundred. */
  readonly routePoints: RouteShares;
  readonly degradedPoints: number;
  /** Whether mean and median are within 5 %, the 95th percentile within 10 %, and every route within 2 points. */
  readonly isClose: boolean;
}

const closeShare = { middle: 0.05, p95: 0.1 };
const closePoints = 2;

export function compareRuns(real: RunResult, simulated: RunResult): Comparison {
  const error = (of: (run: RunResult) => number) => of(simulated) / of(real) - 1;
  const points = (of: (run: RunResult) => number) => 100 * (of(simulated) - of(real));
  const meanError = error(({ latencyMs }) => latencyMs.mean.ms);
  const p50Error = error(({ latencyMs }) => latencyMs.p50.ms);
  const p95Error = error(({ latencyMs }) => latencyMs.p95.ms);
  const routePoints = {
    exit: points(({ routes }) => routes.exit),
    features: points(({ routes }) => routes.features),
    image: points(({ routes }) => routes.image),
    edgeOnly: points(({ routes }) => routes.edgeOnly),
  };
  const isClose =
    [meanError, p50Error].every((one) => Math.abs(one) <= closeShare.middle) &&
    Math.abs(p95Error) <= closeShare.p95 &&
    Object.values(routePoints).every((one) => Math.abs(one) <= closePoints);
  const { policy, link, devices } = real;
  const degradedPoints = points(({ degraded }) => degraded.share);
  return { policy, link, devices, meanError, p50Error, p95Error, routePoints, degradedPoints, isClose };
}
