import { spawnSync } from 'node:child_process';

/** GPUs and drivers of this machine, as far as they can be known: onnxruntime does not say which of them it took. */
export interface Adapters {
  /** As `nvidia-smi` names them. */
  readonly nvidia: readonly string[];
  /** As `vulkaninfo` names them, software drivers included. */
  readonly vulkan: readonly string[];
  /** Files of VK_DRIVER_FILES or VK_ICD_FILENAMES, which narrow down what Vulkan finds. */
  readonly driverFiles?: string;
}

const toolDeadlineMs = 20_000;

/** Asks the machine's tools; what is not installed names nothing. */
export function findAdapters(env: NodeJS.ProcessEnv): Adapters {
  const driverFiles = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  return {
    nvidia: outputOf('nvidia-smi', ['--query-gpu=name,driver_version', '--format=csv,noheader'])
      .split('\n')
      .filter((line) => line !== ''),
    vulkan: vulkanDevices(outputOf('vulkaninfo', ['--summary'])),
    ...(driverFiles !== undefined && { driverFiles }),
  };
}

/** Name and driver of each device in what `vulkaninfo --summary` prints. */
export function vulkanDevices(summary: string): string[] {
  return summary
    .split(/^GPU\d+:$/m)
    .slice(1)
    .map((device) =>
      ['deviceName', 'driverName', 'driverInfo']
        .flatMap((field) => new RegExp(`^\\s*${field}\\s*= (.+)$`, 'm').exec(device)?.[1]?.trim() ?? [])
        .join(', '),
    );
}

function outputOf(program: string, args: readonly string[]): string {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: toolDeadlineMs });
  return status === 0 ? stdout : '';
}
