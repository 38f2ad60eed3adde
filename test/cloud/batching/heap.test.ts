import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type HeapMember, IndexedHeap } from '../../../cloud/batching/heap.ts';

interface Numbered extends HeapMember {
  rank: number;
}

const Heap = suite('heap');

Heap('the first is the lowest after any sequence of adding, removing and changing', () => {
  const command = fc.record({
    kind: fc.constantFrom('add', 'add', 'remove', 'update', 'shift'),
    rank: fc.nat({ max: 20 }),
    pick: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(command, { maxLength: 120 }), (script) => {
      const heap = new IndexedHeap<Numbered>((one, other) => one.rank < other.rank);
      let members: Numbered[] = [];
      for (const { kind, rank, pick } of script) {
        const picked = kind === 'shift' ? heap.first : members[pick % Math.max(1, members.length)];
        if (kind === 'add') {
          const added = { rank, heapPlace: -1 };
          heap.add(added);
          members.push(added);
        } else if (picked !== undefined && kind === 'update') {
          picked.rank = rank;
          heap.update(picked);
        } else if (picked !== undefined) {
          heap.remove(picked);
          assert.is(picked.heapPlace, -1);
          members = members.filter((one) => one !== picked);
        }
        assert.is(heap.first?.rank, members.map((one) => one.rank).sort((a, b) => a - b)[0]);
        assert.ok(members.every((one) => heap.at(one.heapPlace) === one));
        assert.is(heap.at(members.length), undefined);
        const low = heap.allWhile((one) => one.rank < 7);
        assert.equal(new Set(low), new Set(members.filter((one) => one.rank < 7)));
        assert.is(low.length, new Set(low).size);
      }
    }),
    { numRuns: 300 },
  );
});

Heap.run();
