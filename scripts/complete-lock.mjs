/**
 * `npm install` leaves a platform's optional package out of package-lock.json when the registry in use does not carry it, and then
 * `npm ci` of npm 11 refuses the file everywhere. This writes what is missing: name, version and platform, taken from the package
 * that asks for it. Run it after every `npm install` that changes the lock file.
 */
import { readFileSync, writeFileSync } from 'node:fs';

const file = new URL('../package-lock.json', import.meta.url);
const lock = JSON.parse(readFileSync(file, 'utf8'));
const systems = new Set([
  'aix',
  'android',
  'darwin',
  'freebsd',
  'linux',
  'netbsd',
  'openbsd',
  'openharmony',
  'sunos',
  'win32',
]);
const processors = new Set([
  'arm',
  'arm64',
  'ia32',
  'loong64',
  'mips64el',
  'ppc64',
  'riscv64',
  's390x',
  'wasm32',
  'x64',
]);

let written = 0;
for (const asker of Object.values(lock.packages)) {
  for (const [name, version] of Object.entries(asker.optionalDependencies ?? {})) {
    const path = `node_modules/${name}`;
    if (lock.packages[path] !== undefined) continue;
    const parts = name.split('-');
    const os = parts.filter((part) => systems.has(part));
    const cpu = parts.filter((part) => processors.has(part));
    if (os.length !== 1 || cpu.length !== 1) throw new Error(`${name}: the platform is not in the name`);
    lock.packages[path] = {
      version,
      cpu,
      ...(asker.dev && { dev: true }),
      ...(parts.includes('musl') && { libc: ['musl'] }),
      license: asker.license,
      optional: true,
      os,
    };
    written += 1;
  }
}
lock.packages = Object.fromEntries(
  Object.entries(lock.packages).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)),
);
writeFileSync(file, `${JSON.stringify(lock, null, 2)}\n`);
process.stdout.write(`package-lock.json: ${written} entries added\n`);
