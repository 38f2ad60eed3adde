import { openBundle } from '../../shared/bundle/index.ts';
import { type ErrorCode, OfframpError } from '../../shared/errors.ts';
import { bundleFolder } from '../../shared/host/index.ts';
import type { BundleClaim } from '../../shared/protocol/index.ts';
import { verifyBundle } from '../models/verify.ts';
import { findBundle } from '../project.ts';
import { type Check, type Finding, failed, ok } from './check.ts';

/** A bundle all of whose files are as its manifest says. */
export interface WholeBundle extends BundleClaim {
  readonly folder: string;
  /** Bytes of the graphs of all segments. */
  readonly graphBytes: number;
}

export interface BundleExamination {
  readonly checks: readonly Check[];
  readonly whole: readonly WholeBundle[];
}

const mends: Readonly<Partial<Record<ErrorCode, string>>> = {
  BUNDLE_NOT_FOUND: 'offramp models list shows those under models/; else give --bundle a folder',
  BUNDLE_MANIFEST_INVALID: 'copy the bundle anew, or mend the manifest as docs/bundle.md says',
};
const usualMend =
  'copy the whole folder anew, byte by byte (line endings count); in a checkout: git checkout -- models';

/** Reads every file of bundles and compares it with the manifests. */
export async function examineBundles(bundles: readonly string[]): Promise<BundleExamination> {
  const examined = await Promise.all(bundles.map(examineBundle));
  return {
    checks: examined.map(({ check }) => check),
    whole: examined.flatMap(({ bundle }) => bundle ?? []),
  };
}

async function examineBundle(name: string): Promise<{ check: Check; bundle?: WholeBundle }> {
  const check = `bundle ${name}`;
  try {
    const folder = findBundle(name);
    const { id, version, digest, files, bytes } = await verifyBundle(folder);
    const { manifest } = await openBundle(bundleFolder(folder), { segments: [] });
    const graphBytes = manifest.segments.reduce((sum, segment) => sum + segment.bytes, 0);
    const finding = ok(`version ${version}, ${files} files, ${bytes} bytes as listed; digest ${digest}`);
    return { check: { check, ...finding }, bundle: { id, digest, folder, graphBytes } };
  } catch (thrown) {
    return { check: { check, ...judgeBundleError(OfframpError.from(thrown)) } };
  }
}

function judgeBundleError({ code, message }: OfframpError): Finding {
  return failed(`${code}: ${message}`, mends[code] ?? usualMend);
}
