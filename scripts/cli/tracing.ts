import { type Command, Option } from 'commander';
import { share } from '../options.ts';

/** Options about OpenTelemetry traces. */
export function addTracingOptions<C extends Command>(command: C): C {
  const options = [
    new Option(
      '--otlp-endpoint <url>',
      'OpenTelemetry collector, such as http://127.0.0.1:4318, to send traces to',
    ),
    new Option('--trace-share <share>', 'share of what begins here that is traced, 0 to 1')
      .argParser(share)
      .default(0.01),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

export interface TracingSettings {
  readonly otlpEndpoint?: string;
  readonly traceShare: number;
}
