import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { judgeLibrary, judgeProvider, type ProviderTrial } from '../../../scripts/doctor/providers.ts';
import type { Provider } from '../../../shared/runtime/index.ts';

const ran: ProviderTrial = { kind: 'ran', runMicros: 400 };
const away: ProviderTrial = { kind: 'refused', reason: 'no such library' };
const crashed: ProviderTrial = { kind: 'ended', how: 'SIGABRT' };

const trials = (own: Partial<Record<Provider, ProviderTrial>>) =>
  new Map(Object.entries({ cpu: ran, cuda: away, webgpu: crashed, wasm: ran, ...own })) as Map<
    Provider,
    ProviderTrial
  >;

const Providers = suite('doctor, providers');

Providers('minds a GPU only where it is asked for', () => {
  assert.is(judgeProvider('cuda', 'cpu', trials({})).state, 'ok');
  assert.match(judgeProvider('cuda', 'cpu', trials({})).found, /not here.*no such library/);
  const asked = judgeProvider('cuda', 'cuda', trials({}));
  assert.is(asked.state, 'failed');
  assert.match(asked.mend ?? '', /npm rebuild onnxruntime-node/);
});

Providers('says that a driver ended the process that tried it', () => {
  const { state, found, mend } = judgeProvider('webgpu', 'webgpu', trials({}));
  assert.is(state, 'failed');
  assert.match(found, /ended with SIGABRT/);
  assert.match(mend ?? '', /libvulkan1/);
});

Providers('takes one GPU as enough for auto, and warns of none', () => {
  assert.is(judgeProvider('cuda', 'auto', trials({})).state, 'warning');
  assert.is(judgeProvider('cuda', 'auto', trials({ webgpu: ran })).state, 'ok');
  assert.is(judgeProvider('wasm', 'auto', trials({ wasm: away })).state, 'ok');
});

Providers('needs the CPU whatever is asked for', () => {
  for (const device of ['cpu', 'cuda', 'auto'] as const) {
    assert.is(judgeProvider('cpu', device, trials({ cpu: away })).state, 'failed');
  }
  assert.is(judgeLibrary('1.30.0', ran).state, 'ok');
  const late = judgeLibrary('1.30.0', { kind: 'late', limitMs: 20_000 });
  assert.is(late.state, 'failed');
  assert.match(late.found, /nothing within 20 s/);
  assert.match(late.mend ?? '', /--runtime wasm/);
});

Providers.run();
