export { type AssetSource, assetNames, builtFiles } from './assets.ts';
export { type ConsoleRoutesOptions, consoleRoutes } from './console-routes.ts';
export { type StandingAlarm, standingAlarms } from './device-alarms.ts';
export { DeviceTally } from './device-tally.ts';
export { consolePage } from './page-routes.ts';
export { type MetricsTap, Recorder } from './recorder.ts';
export { type BundleState, type DeviceState, makeSnapshot, type SnapshotSources } from './snapshot.ts';
export type { ConsoleSnapshot } from './snapshot-schema.ts';
