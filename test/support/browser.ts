import { chromiumFlags } from '../../scripts/bench/web/browser.ts';

export { chromiumFlags, type SystemBrowser, systemChromium } from '../../scripts/bench/web/browser.ts';

/** For WebGPU without a GPU: Chromium brings a driver in software, which it offers to pages only when told to. */
export const softwareWebGpuFlags = [
  ...chromiumFlags.filter((flag) => flag !== '--disable-gpu'),
  ...['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'],
];
