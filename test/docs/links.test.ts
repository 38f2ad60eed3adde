import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { codeSpans } from './page.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const pages = [
  ...readdirSync(root).filter((name) => name.endsWith('.md')),
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
];

const Links = suite('links of the pages');

for (const page of pages) {
  const text = readFileSync(join(root, page), 'utf8');

  Links(`${page} points to files that are there`, () => {
    const targets = [...text.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target = '']) => target);
    assert.equal(
      targets.filter((target) => !existsSync(join(root, dirname(page), target))),
      [],
    );
  });

  Links(`${page} names files that are there`, () => {
    const named = [...codeSpans(text)].filter((span) =>
      /^(?:shared|edge|cloud|scripts|test|models|docs)\/[\w./-]+$/.test(span),
    );
    // Words in capitals stand for a name that the reader puts in.
    const missing = named.filter((file) => !/[A-Z]{3}/.test(file) && !existsSync(join(root, file)));
    assert.equal(missing, []);
  });
}

Links('all pages are looked at', () => {
  for (const page of ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/architecture.md']) {
    assert.ok(pages.includes(page), page);
  }
});

Links.run();
