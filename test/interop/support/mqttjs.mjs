// MQTT.js as a device that speaks the protocol by hand.
import { once } from 'node:events';
import mqtt from 'mqtt';
import { token } from './sas.mjs';
import { Inbox, within } from './time.mjs';

/** Client id, username and password of an identity; parts can be replaced. */
export function credentials(hub, identity, replace = {}) {
  const id = identity.moduleId ? `${identity.deviceId}/${identity.moduleId}` : identity.deviceId;
  const sr = identity.moduleId
    ? `${hub.host}%2Fdevices%2F${encodeURIComponent(identity.deviceId)}%2Fmodules%2F${encodeURIComponent(identity.moduleId)}`
    : `${hub.host}%2Fdevices%2F${encodeURIComponent(identity.deviceId)}`;
  return {
    clientId: id,
    username: `${hub.host}/${id}/?api-version=2021-04-12&DeviceClientType=mqttjs`,
    password: replace.password ?? token({ sr: replace.sr ?? sr, key: replace.key ?? identity.authentication.symmetricKey.primaryKey, expires: replace.expires, policy: replace.policy }),
    ...(replace.username === undefined ? {} : { username: replace.username }),
    ...(replace.clientId === undefined ? {} : { clientId: replace.clientId }),
  };
}

/** A client on its way to the hub; it does not reconnect by itself. */
export function dial(hub, options) {
  const client = mqtt.connect(`mqtts://${hub.host}:8883`, { ca: hub.ca, protocolVersion: 4, reconnectPeriod: 0, connectTimeout: 10_000, ...options });
  client.on('error', () => {}); // tests look at the events they expect
  return client;
}

/** Connects an identity and resolves to the client and the CONNACK. */
export async function connect(t, hub, identity, { clean = true, ...replace } = {}) {
  const client = dial(hub, { ...credentials(hub, identity, replace), clean });
  t.after(() => client.end(true));
  const [connack] = await within(Promise.race([
    once(client, 'connect'),
    once(client, 'close').then(() => { throw new Error('the hub closed the connection before CONNACK'); }),
  ]), 'CONNACK');
  return { client, connack };
}

/** Resolves to the code with which the hub refuses a CONNECT. */
export async function refusal(hub, options) {
  const client = dial(hub, { clean: true, ...options });
  try {
    return await within(new Promise((resolve, reject) => {
      client.on('packetreceive', (packet) => {
        if (packet.cmd !== 'connack') return;
        if (packet.returnCode === 0) reject(new Error('the hub accepted the CONNECT'));
        else resolve(packet.returnCode);
      });
      client.once('close', () => reject(new Error('the hub closed the connection without a CONNACK')));
    }), 'the refusal');
  } finally {
    client.end(true);
  }
}

/** Ends a connection with DISCONNECT. */
export function end(client) {
  return within(client.endAsync(), 'the end of the connection');
}

/** Resolves when the hub has closed the connection. */
export function closed(client) {
  return within(once(client, 'close'), 'the close by the hub');
}

/** What arrives: topic, payload, qos, retain. */
export function packets(client) {
  const inbox = new Inbox();
  client.on('message', (topic, payload, packet) => inbox.put({ topic, payload: payload.toString(), qos: packet.qos, retain: packet.retain }));
  return inbox;
}
