import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export function pagePath(name: string): string {
  return fileURLToPath(new URL(`../../docs/${name}`, import.meta.url));
}

/** The text of a page under docs/. */
export function readPage(name: string): string {
  return readFileSync(pagePath(name), 'utf8');
}

/** Content of every back-tick span in a text, code blocks left out. */
export function codeSpans(markdown: string): Set<string> {
  const prose = markdown.replace(/^```[\s\S]*?^```$/gm, '');
  return new Set([...prose.matchAll(/`([^`\n]+)`/g)].map(([, span]) => span ?? ''));
}

/** First cells, without back-ticks, of the rows of every table in a text whose heading row begins with `heading`. */
export function firstCells(markdown: string, heading: string): string[] {
  const cells: string[] = [];
  let within = false;
  for (const line of markdown.split('\n')) {
    if (!line.startsWith('|')) within = false;
    const first = line.split('|')[1]?.trim() ?? '';
    if (within && !/^-+:?$/.test(first)) cells.push(first.replaceAll('`', ''));
    if (first === heading) within = true;
  }
  return cells;
}
