import { Socket } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { TurnNames } from '../../../cloud/http/turn-names.ts';

const Names = suite('in whose name HTTP requests take turns');

Names('is the same for all requests of a caller on a connection', () => {
  const names = new TurnNames();
  const socket = new Socket();
  assert.is(names.of(socket, 'anonymous'), names.of(socket, 'anonymous'));
});

Names('is another for every connection, and for every caller on one', () => {
  const names = new TurnNames();
  const [one, other] = [new Socket(), new Socket()];
  const all = [one, other].flatMap((socket) => ['cam-1', 'cam-2'].map((name) => names.of(socket, name)));
  assert.is(new Set(all).size, 4);
});

Names.run();
