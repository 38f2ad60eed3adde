import { type DatasetName, datasets, downloadDataset } from '../data/index.ts';
import { type Progress, print, printJson, progressBar } from '../output.ts';

export interface DataCommandOptions {
  readonly to: string;
  readonly json?: boolean;
}

/** Downloads a data set and checks it. */
export async function dataCommand(name: DatasetName, options: DataCommandOptions): Promise<void> {
  let bar: Progress | undefined;
  let file = '';
  const result = await downloadDataset({
    name,
    toFolder: options.to,
    onProgress(progress) {
      if (progress.file !== file) {
        bar?.stop();
        bar = progressBar(progress.file, progress.totalBytes);
        file = progress.file;
      }
      bar?.update(progress.receivedBytes);
    },
  }).finally(() => bar?.stop());
  if (options.json) printJson(result);
  else {
    const { downloaded, kept, folder } = result;
    // The publisher's digest is that of an archive, which is not kept.
    const unpackedBefore = datasets[name].unpack !== undefined && kept.length > 0;
    const known = unpackedBefore ? 'not compared with the published ones again' : 'all as published';
    print(`${folder}: ${downloaded.length} files downloaded, ${kept.length} were there already, ${known}.`);
  }
}
