import { open, readFile, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { digestOf, type Manifest, parseManifest } from '../../shared/bundle/index.ts';
import { OfframpError } from '../../shared/errors.ts';
import type { Calibration, RiskEvidence } from './calibrate.ts';

/** A manifest with another calibration: temperatures, thresholds and the `calibration` part; all else as it was. */
export function withCalibration(manifest: Manifest, calibration: Calibration, date: string): Manifest {
  const { chosen, temperatures, risk } = calibration;
  return {
    ...manifest,
    exits: manifest.exits.map((exit, index) => {
      const threshold = chosen.thresholds[index];
      return {
        ...exit,
        temperature: temperatures[index] ?? exit.temperature,
        ...(threshold === undefined ? {} : { threshold }),
      };
    }),
    calibration: {
      split: calibration.split,
      images: calibration.images,
      date,
      target: calibration.target,
      ...(risk === undefined ? {} : { risk: riskEntry(risk) }),
      cut: calibration.cut,
      measured: {
        deviceShare: chosen.deviceShare,
        accuracy: chosen.accuracy,
        agreement: chosen.agreement,
        exitShares: [...chosen.exitShares],
        meanMacs: chosen.meanMacs,
        meanDeviceMacs: chosen.meanDeviceMacs,
        expectedDepth: chosen.expectedDepth,
        depthEntropy: chosen.depthEntropy,
      },
      guarantee: calibration.guarantee,
    },
  };
}

function riskEntry({ loss, epsilon, delta, method, images, measured }: RiskEvidence): Risk {
  return { loss, epsilon, ...(delta === undefined ? {} : { delta }), method, images, measured };
}

type Risk = NonNullable<Manifest['calibration']['risk']>;

/**
 * Writes a calibration into the manifest.json of a bundle's folder and returns the new digest. The file is replaced in one step,
 * so that a reader sees the old or the new one, and only after the new one was read back as a valid manifest.
 *
 * Throws `BUNDLE_DIGEST_MISMATCH` when the manifest is no longer the one that was calibrated.
 */
export async function writeCalibration(
  folder: string,
  calibration: Calibration,
  date: string,
): Promise<string> {
  const file = join(folder, 'manifest.json');
  const before = await readFile(file);
  const digest = await digestOf(before);
  if (digest !== calibration.digest) {
    throw new OfframpError(
      'BUNDLE_DIGEST_MISMATCH',
      `${file}: got digest ${digest}, expected ${calibration.digest}: it changed during the calibration`,
    );
  }
  const manifest = withCalibration(parseManifest(before), calibration, date);
  const bytes = new TextEncoder().encode(`${JSON.stringify(manifest, null, 2)}\n`);
  parseManifest(bytes);
  await replaceFile(file, bytes);
  return digestOf(bytes);
}

async function replaceFile(file: string, bytes: Uint8Array): Promise<void> {
  const { mode } = await stat(file);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const handle = await open(temporary, 'wx', mode);
    try {
      await handle.writeFile(bytes);
      // The new name must not outlive a power cut that its content did not.
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new OfframpError('CONFIG_INVALID', `Cannot write ${file}, expected a folder to write in`, {
      cause,
    });
  }
}
