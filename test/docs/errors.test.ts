import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { errorCodes, errorKind, isErrorCode } from '../../shared/errors.ts';
import { readPage } from './page.ts';

const page = readPage('errors.md');

/** Each entry of the page by its code: everything up to the next heading. */
const entries = new Map(
  page
    .split(/^#{2,3} /m)
    .flatMap((section) => [...section.matchAll(/^`([A-Z_]+)`\n([\s\S]*)/g)])
    .map(([, code = '', text = '']) => [code, text]),
);

const Errors = suite('docs/errors.md');

Errors('has an entry for every code, in the order of the table', () => {
  assert.equal([...entries.keys()], errorCodes);
});

Errors('has one entry per code', () => {
  const headings = [...page.matchAll(/^### `([A-Z_]+)`$/gm)].map(([, code]) => code);
  assert.equal(headings.length, new Set(headings).size);
});

Errors('states the HTTP status, the close code and whether to retry as the table has them', () => {
  for (const code of errorCodes) {
    const { httpStatus, closeCode = '-', retryable } = errorKind(code);
    const stated = entries.get(code)?.trim().split('\n')[0];
    assert.is(stated, `HTTP ${httpStatus}, close ${closeCode}, retry ${retryable ? 'yes' : 'no'}.`, code);
  }
});

Errors('says of every code what it means and how it is mended', () => {
  for (const [code, text] of entries) {
    assert.match(text, /^Means: /m, code);
    assert.match(text, /Mend:/, code);
  }
});

Errors('names no code that does not exist', () => {
  const named = [...page.matchAll(/`([A-Z]{4,}(?:_[A-Z]+)*)`/g)].map(([, word = '']) => word);
  const known = ['OFFRAMP_CLOUD_TOKEN', 'CODE'];
  assert.equal(
    named.filter((word) => !isErrorCode(word) && !known.includes(word)),
    [],
  );
});

Errors.run();
