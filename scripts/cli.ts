/**
 * The `offramp` command. Data goes to stdout, talk to stderr.
 * Exit codes: 0 done, 1 a coded error (its code leads the message on stderr), 2 wrong usage.
 */
import { Command, CommanderError } from 'commander';
import { OfframpError } from '../shared/errors.ts';
import { defineBench } from './cli/bench.ts';
import { defineCalibrate } from './cli/calibrate.ts';
import { defineClassify } from './cli/classify.ts';
import { defineCloud } from './cli/cloud.ts';
import { defineData } from './cli/data.ts';
import { defineDemo } from './cli/demo.ts';
import { defineDoctor } from './cli/doctor.ts';
import { defineEdge } from './cli/edge.ts';
import { defineEmulate } from './cli/emulate.ts';
import { defineEvaluate } from './cli/evaluate.ts';
import { examples } from './cli/examples.ts';
import { defineModels } from './cli/models.ts';
import { defineProfile } from './cli/profile.ts';
import { defineResults } from './cli/results.ts';
import { defineSimulate } from './cli/simulate.ts';
import { say } from './output.ts';
import { version } from './project.ts';

const usageError = 2;
/** In the order of the help. */
const definitions = [
  defineCloud,
  defineEdge,
  defineClassify,
  defineEvaluate,
  defineCalibrate,
  defineBench,
  defineProfile,
  defineSimulate,
  defineResults,
  defineModels,
  defineData,
  defineEmulate,
  defineDoctor,
  defineDemo,
];

const program = new Command('offramp')
  .description('Edge-cloud partitioned inference with early exits.')
  .version(version)
  .exitOverride()
  .addHelpText(
    'before',
    examples(
      'offramp demo --once',
      'offramp cloud',
      'offramp edge --cloud ws://127.0.0.1:8470',
      'offramp classify digit.png',
    ),
  )
  .addHelpText('after', '\nExit codes: 0 done, 1 error (its code is printed), 2 wrong usage.');

for (const define of definitions) program.addCommand(define().copyInheritedSettings(program));

try {
  await program.parseAsync();
} catch (thrown) {
  if (thrown instanceof CommanderError) process.exitCode = thrown.exitCode === 0 ? 0 : usageError;
  else {
    const error = OfframpError.from(thrown);
    say(`${error.code}: ${error.message}`);
    if (error.code === 'INTERNAL' && error.cause instanceof Error) say(error.cause.stack ?? '');
    process.exitCode = 1;
  }
}
