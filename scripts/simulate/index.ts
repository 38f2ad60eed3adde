export { type Arrival, type Arrivals, arrivalTimes } from './arrivals.ts';
export { courseOf, type DeviceCourse, type FleetOptions, type FleetResult, simulateFleet } from './fleet.ts';
export { isFixed, planOf } from './policies.ts';
export { withRegret } from './regret.ts';
export type { Interval, LatencySummary, RouteShares, RunFigures, RunResult } from './result.ts';
export {
  type Cell,
  cellsOf,
  findFile,
  fleetOptions,
  type PreparedScenario,
  prepareScenario,
  runCell,
  type ScenarioPlace,
} from './run-scenario.ts';
export {
  type AdaptivePolicy,
  type FixedPolicy,
  findScenario,
  type Policy,
  parseScenario,
  readScenario,
  type Scenario,
} from './scenario.ts';
export { type TalliedImage, Tally, type TallyOptions } from './tally.ts';
export { segmentMediansMs } from './true-costs.ts';
export { VirtualTime } from './virtual-time.ts';
