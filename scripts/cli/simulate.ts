import { Command, Option } from 'commander';
import { milliseconds, share, wholeNumber } from '../options.ts';
import type { Sought } from '../simulate/index.ts';
import { examples } from './examples.ts';

export function defineSimulate(): Command {
  return new Command('simulate')
    .description(
      'Tell beforehand what a split, a policy, a link and a fleet will do: a scenario on a virtual clock.',
    )
    .addHelpText(
      'before',
      examples(
        'offramp simulate --scenario six-links --data ../data',
        'offramp simulate --scenario mine.json --seconds 60 --json',
        'offramp simulate --scenario six-links --data ../data --html six-links.html',
        'offramp simulate --scenario gpu-sizing --find devices --p95 150 --miss 0.01',
      ),
    )
    .requiredOption('--scenario <name or file>', 'one that comes with the project, or a file')
    .option('--data <folder>', 'folder of the data sets, where a scenario wants traces (or OFFRAMP_DATA)')
    .option('--seconds <number>', "in place of the scenario's", wholeNumber(1, 604_800))
    .option('--seed <number>', "in place of the scenario's", wholeNumber(0, 2 ** 32 - 1))
    .option('--jobs <number>', 'runs at the same time (default: as many as processors)', wholeNumber(1, 256))
    .addOption(
      new Option(
        '--find <what>',
        'the most devices, or the least Mbit/s of the uplink, for which the following hold',
      ).choices(['devices', 'bandwidth'] satisfies Sought[]),
    )
    .option('--p95 <ms>', 'with --find: milliseconds at the 95th percentile at most', milliseconds)
    .option('--accuracy <share>', 'with --find: share of right answers at least', share)
    .option('--miss <share>', 'with --find: share of late or degraded answers at most', share)
    .option(
      '--most <number>',
      'with --find: largest number that is tried (default: 100000 devices, 1000 Mbit/s)',
      wholeNumber(1, 1_000_000),
    )
    .option('--out <file>', 'write the results into a file')
    .option('--html <file>', 'write a report with charts: one file to open in a browser')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { simulateCommand } = await import('../commands/simulate.ts');
      await simulateCommand(options);
    });
}
