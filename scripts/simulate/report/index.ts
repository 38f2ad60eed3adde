export { renderReport } from './report.ts';
export type { Origin, ReportedComparison, ReportedRun, ReportSource, StageMeansMs } from './source.ts';
