export {
  type Bundle,
  type LoadedSegment,
  type OpenBundleOptions,
  openBundle,
  type ReadFile,
} from './bundle.ts';
export { fileEntries } from './check.ts';
export { digestOf, verifyFile } from './digest.ts';
export { maximumManifestBytes, parseManifest } from './manifest.ts';
export { parseRecords, type RecordsShape } from './records.ts';
export {
  type BaselineSpec,
  type CodesShape,
  type CutSpec,
  type ExitSpec,
  type FileEntry,
  type Manifest,
  manifestSchema,
  maximumCodes,
  type RateSpec,
  type RecordsSpec,
  type SegmentSpec,
} from './schema.ts';
