// Loaded with --require where a hub cannot have the ports that the clients
// have fixed: connects to 443 and 8883 of a hub's address go to the ports that
// the hub took. The clients themselves stay as they are.
'use strict';
const net = require('node:net');
const { readFileSync } = require('node:fs');

const table = process.env.TVILLING_INTEROP_HUBS;
if (table) {
  const ports = new Map();
  for (const hub of JSON.parse(readFileSync(table, 'utf8')).hubs) {
    ports.set(`${hub.host}:443`, hub.ports.https);
    ports.set(`${hub.host}:8883`, hub.ports.mqtt);
  }
  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function redirected(...args) {
    // Node passes [options, callback] inside an array when it normalised them.
    const options = Array.isArray(args[0]) ? args[0][0] : args[0];
    if (options !== null && typeof options === 'object') {
      const port = ports.get(`${options.host}:${options.port}`);
      if (port !== undefined) options.port = port;
    }
    return connect.apply(this, args);
  };
}
