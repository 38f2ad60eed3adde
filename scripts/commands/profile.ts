import { writeFile } from 'node:fs/promises';
import { recordRun } from '../evaluate/run-record.ts';
import { milliseconds, print, printJson, say, table, withProgress } from '../output.ts';
import { type CostProfile, measureProfile, profileText } from '../profile/index.ts';
import { findBundle } from '../project.ts';

export interface ProfileCommandOptions {
  readonly bundle: string;
  readonly data?: string;
  readonly timed: number;
  readonly pauseMs: number;
  readonly batches: number;
  readonly recorded: number;
  readonly out?: string;
  readonly json?: boolean;
}

const stageLabels = { segments: 'images timed', pictures: 'pictures', streams: 'images recorded' };

/** Measures what a bundle costs here, for plans and simulations. */
export async function profileCommand(options: ProfileCommandOptions): Promise<void> {
  const run = recordRun(process.argv.slice(2), new Date());
  const dataFolder = options.data ?? process.env.OFFRAMP_DATA;
  const profile = await withProgress(stageLabels, (onProgress) =>
    measureProfile({ ...options, bundleFolder: findBundle(options.bundle), dataFolder, onProgress }),
  );
  const document = { ...profile, ...run };
  if (options.out !== undefined) {
    await writeFile(options.out, profileText(document));
    say(`Written to ${options.out}`);
  }
  if (options.json) printJson(document);
  else print(words(profile));
}

function words({ bundle, device, cloud }: CostProfile): string {
  const median = (samples: readonly number[]) => samples[samples.length >> 1];
  const segments = device.segmentMs.map((samples, index) => {
    const { fixedMs = 0, perRowMs = 0 } = cloud.segments[index] ?? {};
    return [`s${index}`, milliseconds(median(samples)), milliseconds(fixedMs), milliseconds(perRowMs)];
  });
  const others = [
    ['picture file to pixels', device.prepareMs],
    ['exit rule', device.exitMs],
    ...device.encodeMs.map((samples, index) => [`codec at cut ${index + 1}`, samples] as const),
    ['from caller to agent and back', device.callMs],
    ['between agent and server', cloud.aroundMs],
  ] as const;
  return [
    `${bundle}: milliseconds of one image, and of a batch as fixed + rows x each`,
    table(['segment', 'image', 'fixed', 'each row'], segments),
    '',
    table(
      ['', 'median ms'],
      others.map(([name, samples]) => [name, milliseconds(median(samples))]),
    ),
  ].join('\n');
}
