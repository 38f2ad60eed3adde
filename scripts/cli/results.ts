import { Command, InvalidArgumentError } from 'commander';
import { type StepName, stepNames } from '../results/index.ts';
import { examples } from './examples.ts';

export function defineResults(): Command {
  return new Command('results')
    .description('Make the page of results, from what was measured before or measured anew.')
    .addHelpText(
      'before',
      examples(
        'offramp results',
        'offramp results --measure all --data ../data   # an hour and a half, on a machine with nothing else to do; links of packets need root',
        'offramp results --measure links,table --data ../data --out ./results',
      ),
    )
    .option('--measure <steps>', `measure these first: ${stepNames.join(', ')}, or all`, steps)
    .option('--data <folder>', 'folder of the data sets (or OFFRAMP_DATA)')
    .option('--out <folder>', 'where the figures are, and the page goes', 'docs/results')
    .action(async (options) => {
      const { resultsCommand } = await import('../commands/results.ts');
      await resultsCommand(options);
    });
}

function steps(text: string): StepName[] {
  if (text === 'all') return [...stepNames];
  return text.split(',').map((one) => {
    const step = stepNames.find((name) => name === one.trim());
    if (step === undefined)
      throw new InvalidArgumentError(`Expected all, or some of ${stepNames.join(', ')}.`);
    return step;
  });
}
