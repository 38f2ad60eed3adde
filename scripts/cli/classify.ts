import { Command } from 'commander';
import type { ClassifyCommandOptions } from '../commands/classify.ts';
import { resizeOption, runtimeOption, wholeNumber } from '../options.ts';
import { defaultBundle } from '../project.ts';
import { addCloudTlsOptions } from './access.ts';
import { examples } from './examples.ts';

export function defineClassify(): Command {
  const command = new Command('classify')
    .description('Classify picture files (PNG, JPEG, WebP), here or with the help of a cloud server.')
    .addHelpText(
      'before',
      examples(
        'offramp classify digit.png',
        'offramp classify --cloud ws://127.0.0.1:8470 --json *.png',
        `echo '{"id": 7, "path": "digit.png"}' | offramp classify --lines`,
      ),
    )
    .argument('[files...]', 'picture files')
    .option('--lines', 'read requests from stdin as lines of JSON, and answer each with a line of JSON')
    .option('--max-in-flight <number>', 'lines under way at once', wholeNumber(1, 1024), 16)
    .option('--bundle <id or folder>', 'bundle to run', defaultBundle)
    .option('--cloud <url>', 'ws: or wss: address of the cloud server')
    .option('--cloud-token-file <file>', "file with the cloud server's token (or OFFRAMP_CLOUD_TOKEN)");
  return addCloudTlsOptions(command)
    .option(
      '--cut <number>',
      'segments to run here, 0 sends the image (default: 1 with a cloud, all without)',
      wholeNumber(0, 64),
    )
    .option('--budget-ms <number>', 'time for each answer', wholeNumber(1, 600_000), 2000)
    .addOption(resizeOption())
    .addOption(runtimeOption())
    .option('--json', 'print JSON')
    .action(async (files: readonly string[], options: ClassifyCommandOptions) => {
      if (options.lines && files.length > 0)
        command.error("error: --lines reads from stdin, expected no 'files'");
      if (!options.lines && files.length === 0) command.error("error: missing required argument 'files'");
      const { classifyCommand } = await import('../commands/classify.ts');
      await classifyCommand(files, options);
    });
}
