// The Azure IoT device client with deadlines around it.
import device from 'azure-iot-device';
import transport from 'azure-iot-device-mqtt';
import { Inbox, within } from './time.mjs';

export const { Message } = device;

/** A device client for a connection string, not yet connected. */
export function deviceClient(hub, connectionString, options = {}) {
  return configured(hub, device.Client.fromConnectionString(connectionString, transport.Mqtt), options);
}

/** A module client for a connection string, not yet connected. */
export function moduleClient(hub, connectionString) {
  return configured(hub, device.ModuleClient.fromConnectionString(connectionString, transport.Mqtt));
}

/** A device client for a token made elsewhere, not yet connected. */
export function tokenClient(hub, token) {
  return configured(hub, device.Client.fromSharedAccessSignature(token, transport.Mqtt));
}

/** The client, once it has taken its options: it does so in the background. */
async function configured(hub, client, options = {}) {
  await within(client.setOptions({ ca: hub.ca, ...options }), 'setOptions');
  return client;
}

/** Opens a client (or what promises one) now and closes it when the test t ends. */
export async function open(t, promised) {
  const client = await promised;
  t.after(() => close(client));
  await within(client.open(), 'open');
  return client;
}

/** Resolves to the name of the error with which a client fails to open. */
export async function refused(promised) {
  const client = await promised;
  try {
    await within(client.open(), 'the refusal');
    return 'opened';
  } catch (err) {
    return err.name;
  } finally {
    await close(client);
  }
}

export async function close(client) {
  await within(client.close(), 'close').catch(() => {}); // it may be closed already
}

/** The twin as the client sees it. */
export function twin(client) {
  return within(client.getTwin(), 'getTwin');
}

/** Reports a patch; rejects with what the hub answered. */
export function report(theTwin, patch) {
  return within(new Promise((resolve, reject) => {
    theTwin.properties.reported.update(patch, (err) => (err ? reject(err) : resolve()));
  }), 'the answer to a reported patch');
}

/**
 * The desired changes that a twin receives, in order of arrival. It resolves
 * when the hub has acknowledged the subscription.
 */
export async function desired(theTwin) {
  const inbox = new Inbox();
  let first = true;
  theTwin.on('properties.desired', (delta) => {
    if (first) {
      first = false; // the client replays what it fetched to every new listener
      return;
    }
    inbox.put(structuredClone(delta));
  });
  await within(new Promise((resolve, reject) => {
    theTwin.enableTwinDesiredPropertiesUpdates((err) => (err ? reject(err) : resolve()));
  }), 'the subscription to desired properties');
  return inbox;
}

/** Sends a message and waits for its acknowledgement. */
export function send(client, message) {
  return within(client.sendEvent(message), 'the acknowledgement of a message');
}
