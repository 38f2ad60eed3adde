/** Fifty agents and two servers behind nginx, as docs/deploy/nginx.conf sets it up. */
import { suite } from 'uvu';
import { endFailOver, failOver } from './failover.ts';
import { filledExample, startNginx } from './proxy.ts';

const nginx = suite('two servers behind nginx');
nginx.after.each(endFailOver);

nginx('a drain and a kill lose no image', () =>
  failOver('nginx', (program, { folder, port, certificate, key, servers }) => {
    const site = filledExample('nginx.conf', {
      '10.0.0.11:8470': `127.0.0.1:${servers[0]}`,
      '10.0.0.12:8470': `127.0.0.1:${servers[1]}`,
      'listen 443 ssl': `listen 127.0.0.1:${port} ssl`,
      '/etc/ssl/gpu.example.pem': certificate,
      '/etc/ssl/gpu.example.key': key,
    });
    return startNginx(program, folder, site, port);
  }),
);

nginx.run();
