import { type Check, exitCodeOf } from '../doctor/check.ts';
import { type DoctorOptions, examine } from '../doctor/doctor.ts';
import { checkWords, countWords } from '../doctor/report.ts';
import { print, printJson, say } from '../output.ts';
import { defaultCloudPort, defaultEdgePort } from '../project.ts';

export interface DoctorCommandOptions extends Omit<DoctorOptions, 'ports'> {
  /** Those of both servers when absent. */
  readonly port?: readonly number[];
  readonly json?: boolean;
}

/** Examines this machine and says what it finds. Exit code 1 when a check has failed. */
export async function doctorCommand({ port, json, ...options }: DoctorCommandOptions): Promise<void> {
  const asked = port !== undefined;
  const ports = (port ?? [defaultCloudPort, defaultEdgePort]).map((number) => ({ port: number, asked }));
  const look = process.stdout.isTTY && !process.env.NO_COLOR ? 'coloured' : 'plain';
  const all: Check[] = [];
  for await (const checks of examine({ ...options, ports })) {
    all.push(...checks);
    if (!json) for (const check of checks) print(checkWords(check, look));
  }
  if (json) printJson(all);
  else say(countWords(all));
  process.exitCode = exitCodeOf(all);
}
