import { Command } from 'commander';
import { wholeNumber } from '../options.ts';
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
      ),
    )
    .requiredOption('--scenario <name or file>', 'one that comes with the project, or a file')
    .option('--data <folder>', 'folder of the data sets, where a scenario wants traces (or OFFRAMP_DATA)')
    .option('--seconds <number>', "in place of the scenario's", wholeNumber(1, 604_800))
    .option('--seed <number>', "in place of the scenario's", wholeNumber(0, 2 ** 32 - 1))
    .option('--out <file>', 'write the results into a file')
    .option('--json', 'print JSON')
    .action(async (options) => {
      const { simulateCommand } = await import('../commands/simulate.ts');
      await simulateCommand(options);
    });
}
