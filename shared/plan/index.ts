export type { Candidates } from './candidates.ts';
export { type Aim, aims, type Choice, choosePlan, judge, type Objective, type Verdict } from './choose.ts';
export {
  type CloudCosts,
  type CloudLine,
  costsDiffer,
  type DeviceCosts,
  type PlanCosts,
  type Sizes,
  type StreamSizes,
} from './costs.ts';
export type { ArrivingImages } from './device-queue.ts';
export { constant, type Distribution, fromTiming, type LatencyFigures, type Timing } from './distribution.ts';
export { PlanKeeper, type PlanKeeperOptions } from './keeper.ts';
export {
  LinkEstimate,
  type LinkEstimateOptions,
  type LinkFigures,
  type LinkView,
  type Ranged,
  type RoundTrip,
  type Unanswered,
} from './link-estimate.ts';
export { type Plan, type PlannedManifest, type Strictness, thresholdsOf } from './plan.ts';
export { Planner, type PlannerOptions } from './planner.ts';
export type { ExitPrediction, Prediction } from './predict.ts';
export type { StageMeans } from './ways.ts';
