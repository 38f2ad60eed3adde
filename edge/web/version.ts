/** Put in by `scripts/build-web.mjs`. */
declare const offrampVersion: string | undefined;

/** The package's version; sources that were not built have none. */
export const version: string = typeof offrampVersion === 'string' ? offrampVersion : 'unbuilt';
