/** One file that a browser may ask for. */
export interface PageFile {
  readonly type: string;
  /** Without quotes; of the content before any coding. */
  readonly tag: string;
  /** Whether its name changes with its content. */
  readonly isHashed: boolean;
  /** Where its content is, by coding. */
  readonly content: PageContent;
}

export interface PageContent {
  readonly identity: PageSource;
  readonly br?: PageSource;
  readonly gzip?: PageSource;
}

/** The path of a file, or the bytes themselves where there is none. */
export type PageSource = string | Uint8Array;

export type PageCoding = keyof PageContent;

/** The smaller first. */
const preferred = ['br', 'gzip'] as const;

/** The best coding that a file has and an `Accept-Encoding` names (RFC 9110 section 12.5.3), weights but 0 aside. */
export function codingFor(content: PageContent, accepted: string | undefined): PageCoding {
  const named = new Set<string>();
  for (const part of (accepted ?? '').toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((word) => word.trim());
    if (!parameters.some((word) => /^q=0(?:\.0*)?$/.test(word))) named.add(name);
  }
  return preferred.find((coding) => content[coding] !== undefined && named.has(coding)) ?? 'identity';
}
