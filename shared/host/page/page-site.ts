import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import Type, { type Static } from 'typebox';
import Value from 'typebox/value';
import { fileEntries, type Manifest, openBundle } from '../../bundle/index.ts';
import { OfframpError, reasonOf } from '../../errors.ts';
import { bundleFolder } from '../bundle-folder.ts';
import type { PageFile } from './page-file.ts';

/** Images that the page can run in a row, and what is known of them. */
export interface PageImages {
  /** Says what they are. */
  readonly source: string;
  readonly count: number;
  /** The true classes, uint8 [count], 255 where nobody knows, then the pixels of one image behind the other. */
  readonly bytes: Uint8Array;
}

export interface PageOptions {
  /** What the build has made, with its `site.json`. */
  readonly folder: string;
  /** Folders of the bundles that a visitor may choose. */
  readonly bundleFolders: readonly string[];
  /** Servers that the page connects to, `ws:` or `wss:`, or relative to the page. */
  readonly cloudUrls: readonly string[];
  readonly imagesOf: (manifest: Manifest) => PageImages | undefined;
  readonly version: string;
}

/** All that is served to the page, by its path below `/page/`, and what it may connect to besides. */
export interface PageSite {
  readonly files: ReadonlyMap<string, PageFile>;
  readonly policy: string;
}

/** Written by `scripts/build-page.mjs`. */
const listing = Type.Object({
  files: Type.Array(
    Type.Object({
      path: Type.String({ pattern: '^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$' }),
      type: Type.String(),
      sha256: Type.String({ pattern: '^[0-9a-f]{64}$' }),
      isHashed: Type.Boolean(),
      codings: Type.Array(Type.Union([Type.Literal('br'), Type.Literal('gzip')])),
    }),
  ),
});

const suffixes = { br: '.br', gzip: '.gz' } as const;
const json = 'application/json';

/**
 * Finds everything that the page needs. Only what the build lists, what a bundle's manifest names, and what is made here is ever
 * served: a path is looked up and never joined to a folder.
 * @throws OfframpError CONFIG_INVALID where the page has not been built, and what {@link openBundle} throws.
 */
export async function openPageSite(options: PageOptions): Promise<PageSite> {
  const { folder, bundleFolders, cloudUrls, version } = options;
  const files = new Map<string, PageFile>();
  for (const { path, type, sha256, isHashed, codings } of (await readListing(folder)).files) {
    const own = join(folder, path);
    const coded = Object.fromEntries(codings.map((coding) => [coding, `${own}${suffixes[coding]}`]));
    files.set(path, { type, tag: sha256, isHashed, content: { identity: own, ...coded } });
  }
  const index = files.get('index.html');
  if (index !== undefined) files.set('', index);
  const bundles: unknown[] = [];
  for (const bundle of bundleFolders) bundles.push(await addBundle(files, bundle, options));
  const addresses = cloudUrls.map(withoutSecrets);
  const config = new TextEncoder().encode(JSON.stringify({ version, cloudUrls: addresses, bundles }));
  files.set('config.json', made(json, config));
  return { files, policy: policyFor(addresses) };
}

async function readListing(folder: string): Promise<Static<typeof listing>> {
  try {
    const text = await readFile(join(folder, 'site.json'), 'utf8');
    return Value.Parse(listing, JSON.parse(text));
  } catch (cause) {
    const message = `No built page in ${folder} (${reasonOf(cause)}): run npm run build`;
    throw new OfframpError('CONFIG_INVALID', message, { cause });
  }
}

/** Adds the files of a bundle that a page may need; returns what the page is told of it. */
async function addBundle(
  files: Map<string, PageFile>,
  folder: string,
  { imagesOf }: PageOptions,
): Promise<unknown> {
  const { manifest, digest } = await openBundle(bundleFolder(folder), { segments: [] });
  const { id, title } = manifest;
  const at = (file: string) => `models/${id}/${file}`;
  const file = (name: string, type: string, tag: string): void => {
    files.set(at(name), { type, tag, isHashed: false, content: { identity: join(folder, name) } });
  };
  file('manifest.json', json, digest);
  for (const { entry } of fileEntries(manifest)) {
    const { file: name, sha256 } = entry;
    // The schema lets no name have a folder in it; whoever changes that is stopped here.
    if (basename(name) === name) file(name, 'application/octet-stream', sha256);
  }
  const images = imagesOf(manifest);
  if (images !== undefined) {
    files.set(`images/${id}`, made('application/octet-stream', images.bytes));
  }
  return { id, title, ...(images && { images: { source: images.source, count: images.count } }) };
}

function made(type: string, identity: Uint8Array): PageFile {
  const tag = createHash('sha256').update(identity).digest('hex');
  return { type, tag, isHashed: false, content: { identity } };
}

/** What the page is told must not be more than where the servers are. */
function withoutSecrets(url: string): string {
  if (!URL.canParse(url)) return url;
  const { protocol, host, pathname } = new URL(url);
  return `${protocol}//${host}${pathname}`;
}

/** Content-Security-Policy Level 3: scripts and styles of this very place only, connections to it and to the servers. */
function policyFor(cloudUrls: readonly string[]): string {
  const others = cloudUrls.filter((url) => URL.canParse(url)).map((url) => new URL(url));
  const connect = ["'self'", ...new Set(others.map(({ protocol, host }) => `${protocol}//${host}`))];
  return [
    "default-src 'none'",
    "script-src 'self' 'wasm-unsafe-eval'",
    "worker-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "manifest-src 'self'",
    `connect-src ${connect.join(' ')}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
}
