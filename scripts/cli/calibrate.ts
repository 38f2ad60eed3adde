import { Command, Option } from 'commander';
import { day, numberWithin } from '../calibrate/arguments.ts';
import { wholeNumber } from '../options.ts';
import { defaultBundle } from '../project.ts';
import { examples } from './examples.ts';

export function defineCalibrate(): Command {
  return new Command('calibrate')
    .description("Choose a bundle's temperatures and thresholds from its calibration records.")
    .addHelpText(
      'before',
      examples(
        'offramp calibrate --epsilon 0.01 --delta 0.05 --write',
        'offramp calibrate --target accuracy --at-least 0.96 --delta 0.05',
        'offramp calibrate --check --method ucb-wsr',
      ),
    )
    .option('--bundle <id or folder>', 'bundle to calibrate', defaultBundle)
    .addOption(
      new Option('--target <kind>', 'what the thresholds are to reach')
        .choices(['agreement', 'accuracy', 'device-share', 'mean-cost'])
        .default('agreement'),
    )
    .option('--at-least <share>', 'accuracy, device-share: the figure to reach', numberWithin(0, 1))
    .option('--at-most-macs <number>', 'mean-cost: MACs per image, device and cloud', numberWithin(0, 1e15))
    .option(
      '--epsilon <share>',
      'agreement: share of images that may differ (default: 0.01)',
      numberWithin(0, 1),
    )
    .option(
      '--delta <share>',
      'agreement (default: 0.05), accuracy: probability that the promise fails',
      numberWithin(0, 1),
    )
    .addOption(
      new Option('--method <name>', 'how a promise is shown (default: "ltt")').choices([
        'ucb-wsr',
        'ltt',
        'crc',
      ]),
    )
    .addOption(
      new Option('--loss <kind>', 'agreement: what counts (default: "disagreement")').choices([
        'disagreement',
        'gap',
      ]),
    )
    .option('--cut <number>', 'segments on the device', wholeNumber(1, 64), 1)
    .option('--write', 'write the result into manifest.json')
    .option('--date <YYYY-MM-DD>', 'day to write (default: today)', day)
    .option('--check', 'check the promise on random splits instead; fails when it is broken')
    .option('--splits <number>', 'splits to check it on', wholeNumber(1, 100_000), 1000)
    .option('--seed <number>', 'seed of the splits', wholeNumber(0, 2 ** 32 - 1), 1)
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { calibrateCommand } = await import('../commands/calibrate.ts');
      await calibrateCommand(options);
    });
}
