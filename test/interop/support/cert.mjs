// Device certificates, made when they are needed: no key is kept in the tree.
import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A self-signed certificate with its key and both of its thumbprints, hex. */
export async function selfSigned(commonName) {
  const dir = await mkdtemp(path.join(tmpdir(), 'tvilling-cert-'));
  try {
    const [keyFile, certFile] = [path.join(dir, 'key.pem'), path.join(dir, 'cert.pem')];
    await run('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes',
      '-subj', `/CN=${commonName}`, '-days', '2', '-keyout', keyFile, '-out', certFile]);
    const [key, cert] = await Promise.all([readFile(keyFile, 'utf8'), readFile(certFile, 'utf8')]);
    const x509 = new X509Certificate(cert);
    const hex = (fingerprint) => fingerprint.replaceAll(':', '');
    return { key, cert, sha1: hex(x509.fingerprint), sha256: hex(x509.fingerprint256) };
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}
