import { Command } from 'commander';
import { wholeNumber } from '../options.ts';
import { defaultBundle } from '../project.ts';
import { examples } from './examples.ts';

export function defineProfile(): Command {
  return new Command('profile')
    .description(
      'Measure what a bundle costs on this machine, on a device and on a server: what simulations start from.',
    )
    .addHelpText(
      'before',
      examples(
        'offramp profile --bundle b-resnet-cifar10 --data ../data --out b-resnet.json',
        'offramp profile --recorded 0',
      ),
    )
    .option('--bundle <id or folder>', 'bundle to measure', defaultBundle)
    .option(
      '--data <folder>',
      "folder of the data sets (or OFFRAMP_DATA); without it the project's own pictures",
    )
    .option('--timed <number>', 'images that are timed one by one', wholeNumber(10, 100_000), 200)
    .option(
      '--pause-ms <number>',
      'pause before each: a device that waits is slower than one that does not',
      wholeNumber(0, 1000),
      20,
    )
    .option('--batches <number>', 'batches of each size', wholeNumber(3, 1000), 15)
    .option(
      '--recorded <number>',
      'images whose streams and pictures are measured',
      wholeNumber(0, 1_000_000),
      10_000,
    )
    .option('--out <file>', 'write the profile into a file')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { profileCommand } = await import('../commands/profile.ts');
      await profileCommand(options);
    });
}
