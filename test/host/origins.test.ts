import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AllowedOrigins } from '../../shared/host/index.ts';
import { throwsCode } from '../protocol/expect.ts';

const Origins = suite('origins of web pages');
const host = 'gpu.example:8470';
const origins = new AllowedOrigins(['https://app.example', 'http://localhost:3000/']);
const passes = (origin: string | undefined, at = host) =>
  origins.refusal({ host: at, ...(origin !== undefined && { origin }) }) === undefined;

Origins('programs, which send none, pass', () => {
  assert.ok(passes(undefined));
});

Origins('pages that are listed pass, and those of the server itself', () => {
  for (const origin of [
    'https://app.example',
    'http://localhost:3000',
    `https://${host}`,
    `http://${host}`,
  ]) {
    assert.ok(passes(origin), origin);
  }
});

const strange = [
  'https://pages.example',
  'null',
  '',
  'http://app.example',
  'https://app.example.evil.example',
];
for (const origin of [
  ...strange,
  'https://app.example:8443',
  'https://evil.example/https://app.example',
  'https://gpu.example',
]) {
  Origins(`'${origin}' is ORIGIN_REFUSED`, () => {
    const refusal = origins.refusal({ host, origin });
    assert.is(refusal?.code, 'ORIGIN_REFUSED');
    assert.match(refusal?.message ?? '', '--allow-origin');
  });
}

Origins('a long one is not repeated whole', () => {
  const refusal = origins.refusal({ host, origin: `https://${'x'.repeat(10_000)}` });
  assert.ok((refusal?.message.length ?? Number.NaN) < 400);
});

Origins('what is no origin cannot be listed', () => {
  for (const text of [
    '*',
    'app.example',
    'https://app.example/path',
    'null',
    '',
    'data:text/plain,x',
    'https://',
  ]) {
    throwsCode(() => new AllowedOrigins([text]), 'CONFIG_INVALID', `'${text}'`);
  }
});

Origins.run();
