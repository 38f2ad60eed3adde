import { existsSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { OfframpError } from '../../shared/errors.ts';
import type { TritonModel } from './triton.ts';

/** What to do with models that are there. */
export type Existing = 'refuse' | 'replace';

/**
 * Writes models into a Triton model repository: `NAME/config.pbtxt` and `NAME/1/model.onnx`. Other files of the folder stay.
 * @throws OfframpError CONFIG_INVALID, before anything is written, when one of the models is there and `existing` refuses.
 */
export async function writeRepository(
  folder: string,
  models: readonly TritonModel[],
  existing: Existing,
): Promise<void> {
  const there = models.filter(({ name }) => existsSync(join(folder, name))).map(({ name }) => name);
  if (there.length > 0 && existing === 'refuse') {
    const message = `${folder} has ${there.join(', ')} already; --force replaces them`;
    throw new OfframpError('CONFIG_INVALID', message);
  }
  for (const { name, config, onnx } of models) {
    await mkdir(join(folder, name, '1'), { recursive: true });
    // The configuration last: a server that looks into the folder all the time waits for it.
    await writeWhole(join(folder, name, '1', 'model.onnx'), onnx);
    await writeWhole(join(folder, name, 'config.pbtxt'), config);
  }
}

/** Never leaves half a file under the name. */
async function writeWhole(file: string, content: string | Uint8Array): Promise<void> {
  const partial = `${file}.partial`;
  await writeFile(partial, content);
  await rename(partial, file);
}
