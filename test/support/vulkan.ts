import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The environment of a process that is to find a certain Vulkan driver, or why there is none to find. */
export type VulkanDriver = { readonly env: Readonly<Record<string, string>> } | { readonly lacking: string };

const loaderFolders = ['/usr/lib/x86_64-linux-gnu', '/usr/lib64', '/usr/lib'];
/** SwiftShader, which Debian packs with Chromium. */
const swiftShader = '/usr/lib/chromium/vk_swiftshader_icd.json';
const lavapipes = ['lvp_icd.x86_64.json', 'lvp_icd.json'].map((name) => `/usr/share/vulkan/icd.d/${name}`);
/** Of the Vulkan that Mesa 25 offers; that of Mesa 22 lacks what WebGPU asks for. */
const lavapipeVersion = [1, 4];

/**
 * A Vulkan driver that needs no GPU: what VK_DRIVER_FILES or VK_ICD_FILENAMES name, so that a machine with a GPU can test that;
 * else SwiftShader, else Mesa's lavapipe.
 */
export function vulkanDriver(): VulkanDriver {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return { lacking: 'onnxruntime has WebGPU over Vulkan on Linux x64 only' };
  }
  const named = process.env.VK_DRIVER_FILES ?? process.env.VK_ICD_FILENAMES;
  if (named !== undefined) return { env: { VK_DRIVER_FILES: named } };
  if (!loaderFolders.some((folder) => existsSync(join(folder, 'libvulkan.so.1')))) {
    return { lacking: 'no Vulkan loader on this machine (Debian: libvulkan1)' };
  }
  const file = [swiftShader, ...lavapipes.filter(isNewEnough)].find((path) => existsSync(path));
  if (file !== undefined) return { env: { VK_DRIVER_FILES: file } };
  return {
    lacking: 'no software Vulkan driver: neither SwiftShader (Debian: chromium) nor lavapipe of Mesa 25',
  };
}

function isNewEnough(file: string): boolean {
  if (!existsSync(file)) return false;
  const { ICD }: { ICD: { api_version: string } } = JSON.parse(readFileSync(file, 'utf8'));
  const [major = 0, minor = 0] = ICD.api_version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = lavapipeVersion;
  return major > leastMajor || (major === leastMajor && minor >= leastMinor);
}
