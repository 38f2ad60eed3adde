export { type Arrival, type Arrivals, arrivalTimes } from './arrivals.ts';
export { type Cell, cellsOf, fleetOptions, runCell } from './cells.ts';
export {
  type Answer,
  findAnswers,
  type Question,
  type Sought,
  type TriedRun,
} from './find/find.ts';
export { type QuestionOptions, questionHint, questionOf } from './find/question.ts';
export { answerWords } from './find/words.ts';
export { courseOf, type DeviceCourse, type FleetOptions, type FleetResult, simulateFleet } from './fleet.ts';
export { isFixed, planOf } from './policies.ts';
export {
  findFile,
  type PreparedBundle,
  type PreparedLink,
  type PreparedScenario,
  prepareScenario,
  type ScenarioPlace,
} from './prepare-scenario.ts';
export { withRegret } from './regret.ts';
export type { Interval, LatencySummary, RouteShares, RunFigures, RunResult } from './result.ts';
export { withUplink } from './scaled-link.ts';
export {
  type AdaptivePolicy,
  bundlesOf,
  type FixedPolicy,
  findScenario,
  type Policy,
  parseScenario,
  readScenario,
  type Scenario,
} from './scenario.ts';
export { type RunCell, type SweepOptions, withSweep } from './sweep/sweep.ts';
export { areSeveralBundles, estimatedMs, resultTable } from './tables.ts';
export { type TalliedImage, Tally, type TallyOptions } from './tally.ts';
export { segmentMediansMs } from './true-costs.ts';
export { VirtualTime } from './virtual-time.ts';
