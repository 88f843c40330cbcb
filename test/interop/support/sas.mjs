// Shared access signatures, made by hand where a test needs one that no
// client library would make.
import { createHmac } from 'node:crypto';

/**
 * A token for resource, signed as given: `sr` enters the signature exactly as
 * it stands in the token.
 */
export function token({ sr, key, policy, expires = Math.floor(Date.now() / 1000) + 3600 }) {
  const signature = createHmac('sha256', Buffer.from(key, 'base64')).update(`${sr}\n${expires}`).digest('base64');
  const fields = [`sr=${sr}`, `sig=${encodeURIComponent(signature)}`, `se=${expires}`];
  if (policy) fields.push(`skn=${policy}`);
  return `SharedAccessSignature ${fields.join('&')}`;
}

/** The parts of a connection string. */
export function parse(connectionString) {
  return Object.fromEntries(connectionString.trim().split(';').filter(Boolean).map((part) => {
    const at = part.indexOf('=');
    return [part.slice(0, at), part.slice(at + 1)];
  }));
}
