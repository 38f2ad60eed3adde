export { choosePoint, type MeanTarget, sharedThresholds, sweepLevels } from './calibration-target.ts';
export {
  type CascadeCost,
  type ExitTable,
  exitTaken,
  joinTables,
  measureThresholds,
  type OperatingPoint,
  tabulateExits,
} from './cascade.ts';
export { type ShareRange, shareSequence } from './confidence-sequence.ts';
export { type DriftFigures, DriftWatch, type DriftWatchOptions } from './drift-watch.ts';
export {
  type ExitShareChange,
  type ExitShareFigures,
  type ExitShareOptions,
  ExitShareWatch,
} from './exit-share-watch.ts';
export type { ExitRecords } from './records.ts';
export {
  bettingBoundHolds,
  bettingUpperBound,
  binomialCdf,
  conformalRiskHolds,
  hoeffdingBentkusP,
} from './risk-bounds.ts';
export {
  controlRisk,
  type LossCurve,
  type LossKind,
  lossesAtLevel,
  lossKinds,
  type RiskMethod,
  type RiskQuestion,
  riskMethods,
  thresholdLevels,
  traceLosses,
} from './risk-control.ts';
export { decideExit, type ExitDecision, type ExitQuestion } from './rule.ts';
export { argmax, normalisedEntropy, softmax } from './softmax.ts';
export { fitTemperature, meanNegativeLogLikelihood, temperatureBounds } from './temperature.ts';
