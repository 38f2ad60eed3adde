export { ConfiguredCommand, type Secret } from './command.ts';
export { type ConfigShape, parseConfig, readConfigFile } from './file.ts';
export { nearest } from './nearest.ts';
export { type Origin, type Row, settingsJson, settingsTable } from './report.ts';
export { isSwitch, listFrom, switchFrom, variableOf, withoutSettings } from './variables.ts';
