import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Turns, type TurnTaker } from '../../../cloud/batching/turns.ts';

interface Request extends TurnTaker<Request> {
  readonly name: string;
}

function request(client: string, rows: number, name = client): Request {
  return { client, rows, name, seat: undefined };
}

/** Serves the next request; its client and rows. */
function serve(turns: Turns<Request>): Request {
  for (const next of turns.inOrder()) {
    turns.serve(next);
    return next;
  }
  throw new Error('nothing waits');
}

const order = (turns: Turns<Request>) => [...turns.inOrder()].map(({ name }) => name).join(' ');

const Order = suite('turns');

Order('one client is served in order of arrival', () => {
  const turns = new Turns<Request>();
  for (const name of ['1', '2', '3']) turns.add(request('a', Number(name), name));
  assert.is(order(turns), '1 2 3');
});

Order('clients alternate where all requests are of one size', () => {
  const turns = new Turns<Request>();
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1'])
    turns.add(request(name.slice(0, 1), 1, name));
  assert.is(order(turns), 'a1 b1 c1 a2 b2 a3 a4');
});

Order('turns are counted in rows: who sends little at a time is served as often as it takes', () => {
  const turns = new Turns<Request>();
  for (const name of ['A1', 'A2', 'A3']) turns.add(request('A', 4, name));
  for (let index = 1; index <= 6; index++) turns.add(request('b', 1, `b${index}`));
  assert.is(order(turns), 'A1 b1 b2 b3 b4 A2 b5 b6 A3');
});

Order('a newcomer stands behind what the others have left of their turn, and before all else', () => {
  const turns = new Turns<Request>();
  for (const name of ['A1', 'A2', 'A3']) turns.add(request('A', 4, name));
  for (let index = 1; index <= 6; index++) turns.add(request('b', 1, `b${index}`));
  assert.is(serve(turns).name, 'A1');
  turns.add(request('new', 1, 'n1'));
  turns.add(request('new', 1, 'n2'));
  assert.is(order(turns), 'b1 b2 b3 b4 A2 n1 b5 n2 b6 A3');
});

Order('of two clients that were served as much, the one that has waited longer is next', () => {
  const turns = new Turns<Request>();
  const add = (name: string, rows: number) => turns.add(request(name.slice(0, 1), rows, name));
  for (const name of ['a1', 'a2', 'a3', 'a4']) add(name, 1);
  add('b1', 3);
  add('b2', 3);
  assert.is(order(turns), 'a1 b1 a2 a3 b2 a4');
  for (const name of ['a1', 'b1', 'a2', 'a3', 'b2', 'a4']) assert.is(serve(turns).name, name);
});

Order('a client whose last request was removed goes on with what it sends next', () => {
  const turns = new Turns<Request>();
  const gone = request('a', 1, 'a2');
  for (const one of [request('a', 1, 'a1'), gone]) turns.add(one);
  turns.remove(gone);
  turns.add(request('a', 1, 'a3'));
  assert.is(order(turns), 'a1 a3');
});

Order('what is removed was not served: its client keeps its turn', () => {
  const turns = new Turns<Request>();
  const gone = request('a', 8, 'a1');
  for (const one of [gone, request('a', 1, 'a2'), request('b', 1, 'b1'), request('b', 1, 'b2')])
    turns.add(one);
  turns.remove(gone);
  turns.remove(gone);
  assert.is(turns.requests, 3);
  assert.is(order(turns), 'a2 b1 b2');
});

Order.run();

const Fairness = suite('fairness');
const largest = 8;
const sizes = fc.array(fc.integer({ min: 1, max: largest }), { minLength: 1, maxLength: 40 });

/** The n-th of a list that begins again at its end. */
function nth(list: readonly number[], index: number): number {
  return list[index % list.length] ?? 1;
}

Fairness('two clients that both always wait never differ by more than the largest request', () => {
  fc.assert(
    fc.property(sizes, sizes, fc.integer({ min: 2, max: 50 }), (greedy, modest, ahead) => {
      const turns = new Turns<Request>();
      const served = { greedy: 0, modest: 0 };
      const offered = { greedy: 0, modest: 0 };
      const offer = (who: 'greedy' | 'modest') =>
        turns.add(request(who, nth(who === 'greedy' ? greedy : modest, offered[who]++)));
      for (let index = 0; index < ahead; index++) offer('greedy');
      offer('modest');
      offer('modest');
      for (let round = 0; round < 300; round++) {
        const { client, rows } = serve(turns);
        const who = client === 'greedy' ? 'greedy' : 'modest';
        served[who] += rows;
        offer(who);
        assert.ok(Math.abs(served.greedy - served.modest) <= largest, JSON.stringify(served));
      }
    }),
    { numRuns: 200 },
  );
});

Fairness('a new request is told how many rows would be served before it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ client: fc.constantFrom('a', 'b', 'c'), rows: fc.integer({ min: 1, max: 5 }) })),
      fc.constantFrom('a', 'b', 'c', 'd'),
      (waiting, client) => {
        const turns = new Turns<Request>();
        for (const { client: other, rows } of waiting) turns.add(request(other, rows));
        const told = turns.rowsBefore(client, 1);
        turns.add(request(client, 1, 'new'));
        let before = 0;
        for (const { name, rows } of turns.inOrder()) {
          if (name === 'new') break;
          before += rows;
        }
        // Requests are not split, and a turn may have begun: off by less than the largest request of each other client.
        assert.ok(Math.abs(told - before) < 3 * 5, `${told} were told, ${before} it is`);
        assert.is(
          turns.rows,
          waiting.reduce((sum, { rows }) => sum + rows, 1),
        );
      },
    ),
  );
});

Fairness('rows that are served or removed count no more', () => {
  const turns = new Turns<Request>();
  const removed = request('a', 3);
  turns.add(removed);
  turns.add(request('b', 2));
  turns.add(request('b', 2));
  assert.equal([turns.rows, turns.rowsBefore('b', 1), turns.rowsBefore('c', 1)], [7, 7, 2]);
  turns.remove(removed);
  serve(turns);
  assert.equal([turns.rows, turns.rowsBefore('b', 1), turns.rowsBefore('c', 9)], [2, 2, 2]);
});

Fairness('a client that leaves and comes back with each large request gains nothing by it', () => {
  const turns = new Turns<Request>();
  const served = new Map<string, number>();
  for (let index = 0; index < 2000; index++) turns.add(request('always', 1));
  turns.add(request('back', largest));
  for (let round = 0; round < 1000; round++) {
    const { client, rows } = serve(turns);
    served.set(client, (served.get(client) ?? 0) + rows);
    if (client === 'back') turns.add(request('back', largest));
    const [always = 0, back = 0] = [served.get('always'), served.get('back')];
    assert.ok(Math.abs(always - back) <= largest, `${always} and ${back} rows in round ${round}`);
  }
});

Fairness('no stream of newcomers is served before a client that came first', () => {
  const turns = new Turns<Request>();
  for (const name of ['old 1', 'old 2']) turns.add(request('old', largest, name));
  let foundByOld = 0;
  let before = 0;
  for (let round = 0; round < 200; round++) {
    for (let index = 0; index < 3; index++)
      turns.add(request(`new ${round} ${index}`, 1 + (index % largest)));
    const { client } = serve(turns);
    if (client === 'old') {
      turns.add(request('old', largest));
      foundByOld = turns.requests;
      before = 0;
    } else {
      before++;
      assert.ok(before <= foundByOld, `${before} served before one that found ${foundByOld}`);
    }
  }
  assert.ok(foundByOld > 3, 'it was served more than once');
});

Fairness.run();
