export { type CostProfile, parseCostProfile, profileText, recordedStreams } from './cost-profile.ts';
export { measureProfile, type ProfileOptions, type ProfileStage } from './profile.ts';
export type { RecordedStream, RecordedStreams } from './recorded-streams.ts';
export { sampler, standIns } from './samples.ts';
