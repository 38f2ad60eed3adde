/** What a machine without a GPU makes of `--device`: any machine, with its GPUs hidden. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { skip } from '../support/data.ts';
import { cleanUp, runCommand, startServer } from './support.ts';

const hidden = { VK_DRIVER_FILES: '/dev/null', VK_ICD_FILENAMES: undefined, CUDA_VISIBLE_DEVICES: '' };

const Devices = suite('--device without a GPU');
Devices.after.each(cleanUp);

/** Metal and Direct3D show their GPU to everyone. */
function withoutGpu(name: string, test: () => Promise<void>): void {
  Devices(name, async () => {
    if (process.platform === 'linux') await test();
    else skip('GPUs can be hidden on Linux only');
  });
}

withoutGpu('auto falls back to the CPU, and says so', async () => {
  const server = await startServer('cloud', ['--device', 'auto', '--max-batch-rows', '1'], hidden);
  assert.is(JSON.parse(server.stdout()).provider, 'cpu');
});

withoutGpu('auto with --require-device does not start', async () => {
  const args = ['cloud', '--port', '0', '--device', 'auto', '--require-device'];
  const { ending, stdout, stderr } = await runCommand(args, hidden);
  assert.equal([ending, stdout], [1, '']);
  assert.match(stderr, /^PROVIDER_UNAVAILABLE: .* cuda, webgpu .*/m);
  assert.match(stderr, /cuDNN 9.*libvulkan1.*see "On a GPU machine"/, 'what to install is said');
});

Devices('the CPU with --require-device is refused', async () => {
  const { ending, stderr } = await runCommand(['cloud', '--port', '0', '--require-device']);
  assert.is(ending, 1);
  assert.match(stderr, /^CONFIG_INVALID: .*--device cpu/m);
});

withoutGpu('bench device says what to install, and measures nothing', async () => {
  for (const [device, need] of [
    ['webgpu', 'libvulkan1'],
    ['cuda', 'cuDNN 9'],
  ] as const) {
    const args = ['bench', 'device', '--bundle', 'b-lenet-mnist', '--images', '1', '--device', device];
    const { ending, stdout, stderr } = await runCommand(args, hidden);
    assert.equal([ending, stdout], [1, '']);
    assert.match(stderr, new RegExp(`^PROVIDER_UNAVAILABLE: [^]*${need}[^]*On a GPU machine`, 'm'));
  }
});

Devices('bench device --served wants real images before it begins', async () => {
  const { ending, stdout, stderr } = await runCommand(['bench', 'device', '--served'], {
    ...hidden,
    OFFRAMP_DATA: undefined,
  });
  assert.equal([ending, stdout], [1, '']);
  assert.match(stderr, /^DATA_MISSING: /m);
});

Devices.run();
