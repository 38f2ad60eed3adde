import { type Command, Option } from 'commander';
import { RepeatableOption, wholeNumber } from '../options.ts';

/** Who may reach the cloud server, and how much of it each may take. */
export function addAccessOptions<C extends Command>(command: C): C {
  const options = [
    new Option('--tls-cert <file>', 'certificate in PEM: serve https: and wss:, and nothing else'),
    new Option('--tls-key <file>', 'its key in PEM'),
    new Option('--tls-client-ca <file>', 'authority in PEM: ask every client for a certificate of it'),
    new RepeatableOption('--allow-origin <origin>', 'origin of a web page that may connect, may be repeated'),
    new RepeatableOption(
      '--trust-proxy <address or network>',
      'proxy whose X-Forwarded-For is believed, may be repeated',
    ),
    new Option('--max-connections <number>', 'devices connected at once')
      .argParser(wholeNumber(1, 100_000))
      .default(1024),
    new Option('--max-connections-per-address <number>', 'of them, from one address')
      .argParser(wholeNumber(1, 100_000))
      .default(256),
    new Option('--new-connections-per-second <number>', 'from one address')
      .argParser(wholeNumber(1, 100_000))
      .default(100),
    new Option('--requests-per-second <number>', 'on one connection')
      .argParser(wholeNumber(1, 1_000_000))
      .default(10_000),
    new Option('--peer-timeout-ms <number>', 'time to finish a request or message that was begun')
      .argParser(wholeNumber(100, 600_000))
      .default(30_000),
  ];
  for (const option of options) command.addOption(option);
  return command;
}

export interface AccessSettings {
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsClientCa?: string;
  readonly allowOrigin?: readonly string[];
  readonly trustProxy?: readonly string[];
  readonly maxConnections: number;
  readonly maxConnectionsPerAddress: number;
  readonly newConnectionsPerSecond: number;
  readonly requestsPerSecond: number;
  readonly peerTimeoutMs: number;
}

/** How a device trusts the cloud server, and shows who it is. */
export function addCloudTlsOptions<C extends Command>(command: C): C {
  return command
    .option('--cloud-ca <file>', "authority in PEM to trust for wss:, instead of Node's own")
    .option('--cloud-cert <file>', 'certificate in PEM to show to the cloud server')
    .option('--cloud-key <file>', 'its key in PEM');
}

export interface CloudTlsSettings {
  readonly cloudCa?: string;
  readonly cloudCert?: string;
  readonly cloudKey?: string;
}
