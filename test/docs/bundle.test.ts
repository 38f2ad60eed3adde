/**
 * With `--write` it first makes the table of the manifest anew from the schema.
 */
import { writeFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { manifestSchema } from '../../shared/bundle/index.ts';
import { createCodec, parseCutTables } from '../../shared/codec/index.ts';
import { pagePath, readPage } from './page.ts';

/** The part of a JSON Schema that the table is made of. */
interface SchemaNode {
  readonly description?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode | readonly SchemaNode[];
}

const tableHead = '| field | required | what it must be |\n|---|---|---|\n';
// A TypeBox schema is a JSON Schema as it stands, whose type is more particular than what is read here.
const schema = manifestSchema as SchemaNode;

/** One row per field of the manifest: path, whether it must be there, description. */
function rowsOf(node: SchemaNode, path: string): string[] {
  return Object.entries(node.properties ?? {}).flatMap(([name, field]) => {
    const here = path === '' ? name : `${path}.${name}`;
    const needed = node.required?.includes(name) ? 'yes' : 'no';
    const item = field.items !== undefined && !Array.isArray(field.items) ? field.items : undefined;
    const inner = item === undefined ? rowsOf(field, here) : rowsOf(item as SchemaNode, `${here}[]`);
    return [`| \`${here}\` | ${needed} | ${field.description ?? ''} |`, ...inner];
  });
}

const before = readPage('bundle.md');
const tableAt = before.indexOf(tableHead) + tableHead.length;
const tableEnd = before.indexOf('\n\n', tableAt - 1);
const table = rowsOf(schema, '').join('\n');
if (process.argv.includes('--write')) {
  writeFileSync(pagePath('bundle.md'), before.slice(0, tableAt) + table + before.slice(tableEnd));
}
const page = readPage('bundle.md');

const Page = suite('docs/bundle.md');

Page('has the table of the manifest that its schema gives, row for row', () => {
  assert.ok(page.includes(tableHead));
  assert.ok(
    page.includes(`${tableHead}${table}\n\n`),
    'run: node --import tsx test/docs/bundle.test.ts --write',
  );
});

Page('states the streams that the codec writes for the example', () => {
  const [, codesText = '', packedHex, codedHex] =
    page.match(/codes `([\d ]+)`[\s\S]*?packed: `([0-9a-f ]+)`[\s\S]*?range coded: `([0-9a-f ]+)`/) ?? [];
  const codes = Uint8Array.from(codesText.split(' '), Number);
  const shape = [1, 3, 4] as const;
  const contexts = 64;
  const row = [13_000, 3000, 300, 84];
  const bytes = new Uint8Array(
    Uint16Array.from({ length: contexts * 4 }, (_, at) => row[at % 4] ?? 0).buffer,
  );
  const tables = parseCutTables(bytes, { contexts, levels: 4, file: 'example' });
  const hex = (stream: Uint8Array) =>
    Array.from(stream, (byte) => byte.toString(16).padStart(2, '0')).join(' ');
  assert.is(hex(createCodec({ shape, bits: 2 }).encode(codes)), packedHex);
  assert.is(hex(createCodec({ shape, bits: 2, tables }).encode(codes)), codedHex);
  assert.equal(
    createCodec({ shape, bits: 2, tables }).decode(createCodec({ shape, bits: 2 }).encode(codes)),
    codes,
  );
});

Page.run();
