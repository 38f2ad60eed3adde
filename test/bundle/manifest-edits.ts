/** Hand edits of a manifest: every place in it by its path, and a copy with that place changed. */

export type Json = Record<string, unknown>;
/** Steps from the manifest to one of its values. */
export type Path = readonly (string | number)[];

export const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null;

/** A copy of `manifest` in which the object around the last step of `path` went through `change`. */
export function changed(manifest: unknown, path: Path, change: (parent: Json, key: string) => void): unknown {
  const root: unknown = structuredClone(manifest);
  let parent = root;
  for (const step of path.slice(0, -1)) parent = isObject(parent) ? parent[step] : undefined;
  if (!isObject(parent)) throw new Error(`no object around ${path.join('/')}`);
  change(parent, String(path.at(-1)));
  return root;
}

/** A copy of `manifest` with another value at `path`. */
export function withValue(manifest: unknown, path: Path, value: unknown): unknown {
  return changed(manifest, path, (parent, key) => {
    parent[key] = value;
  });
}

/** A path as error messages write it. */
export function textOf(path: Path): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${step}`))
    .join('')
    .replace(/^\./, '');
}

/** The paths of all values of a manifest, the free-form part left out. */
export function pathsIn(value: unknown, path: Path = []): Path[] {
  if (!isObject(value) || path[0] === 'training') return [path];
  const inner = Object.entries(value).flatMap(([key, child]) =>
    pathsIn(child, [...path, Array.isArray(value) ? Number(key) : key]),
  );
  return path.length === 0 ? inner : [path, ...inner];
}
