import { type ResultFile, writeResults } from '../result-files.ts';
import type { RunRecord } from '../run-record.ts';
import type { Curve } from './curve.ts';
import { drawCurve } from './draw.ts';

/** Writes `ID-time.svg`, `ID-macs.svg` and `ID.json` into a folder that is there; gives their paths. Throws `CONFIG_INVALID`. */
export function writeCurve(folder: string, curve: Curve, run: RunRecord): Promise<string[]> {
  const { cpu } = run.machine;
  const files: ResultFile[] = [
    { name: `${curve.bundle}-time.svg`, text: drawCurve(curve, 'ms', cpu) },
    { name: `${curve.bundle}-macs.svg`, text: drawCurve(curve, 'macs', cpu) },
    { name: `${curve.bundle}.json`, text: curveJson(curve, run) },
  ];
  return writeResults(folder, files);
}

/** The figures of a curve and how they came about, one point a line. */
export function curveJson({ points, ...rest }: Curve, run: RunRecord): string {
  const head = JSON.stringify({ ...run, ...rest }, null, 2);
  const lines = points.map((point) => `    ${JSON.stringify(point)}`);
  return `${head.slice(0, -2)},\n  "points": [\n${lines.join(',\n')}\n  ]\n}\n`;
}
