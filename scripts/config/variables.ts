import type { Option } from 'commander';

/** The environment variable of a command's setting: for `maxBatchRows` of `cloud` it is OFFRAMP_CLOUD_MAX_BATCH_ROWS. */
export function variableOf(command: string, key: string): string {
  const words = key.replace(/[A-Z]/g, (letter) => `_${letter}`);
  return `OFFRAMP_${command}_${words}`.toUpperCase();
}

/** Whether an option is only given or not given, and takes no value. */
export function isSwitch(option: Option): boolean {
  return !option.required && !option.optional;
}

/** Reads a switch; `undefined` for a text that is none. */
export function switchFrom(text: string): boolean | undefined {
  if (text === 'true' || text === '1') return true;
  if (text === 'false' || text === '0') return false;
  return undefined;
}

/** Reads a list, separated by commas; `undefined` for a text that holds nothing. */
export function listFrom(text: string): string[] | undefined {
  const parts = text.split(',').map((part) => part.trim());
  const filled = parts.filter((part) => part !== '');
  return filled.length === 0 ? undefined : filled;
}

/**
 * An environment without the settings of our servers, for those that another command starts: what somebody set for the server on
 * this machine is not meant for a demonstration or a measurement. Tokens stay; those commands send them too.
 */
export function withoutSettings(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(environment).filter(([name]) => !/^OFFRAMP_(CLOUD|EDGE)_(?!TOKEN$)/.test(name));
  return Object.fromEntries(kept);
}
