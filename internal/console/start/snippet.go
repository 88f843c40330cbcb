package start

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/enroll"
)

// snippet is a program, or a command, that connects a device with one client.
type snippet struct {
	Key, Name string
	// Install is a command that gets the client, "" if there is none.
	Install string
	// File is what to call the code.
	File, Code string
	// Run is how it is run.
	Run string
	// Note says what else there is to know.
	Note string
}

type snippetLink struct {
	Name, Href string
	Current    bool
}

// snippets use the placeholders HOST, PORT and DEVICE. The connection string
// stays out of code: programs read it from their environment.
var snippets = []snippet{
	{
		Key: "node", Name: "Node.js", Install: "npm install azure-iot-device azure-iot-device-mqtt", File: "device.mjs",
		Code: `import device from 'azure-iot-device';
import mqtt from 'azure-iot-device-mqtt';

const client = device.Client.fromConnectionString(process.env.CONNECTION_STRING, mqtt.Mqtt);
await client.open();
const twin = await client.getTwin();
await new Promise((done, failed) => twin.properties.reported.update({ firmware: '1.0.0' }, (err) => (err ? failed(err) : done())));
await client.sendEvent(new device.Message(JSON.stringify({ temperature: 21.5 })));
console.log('connected, reported, sent');`,
		Run: "NODE_EXTRA_CA_CERTS=ca.pem CONNECTION_STRING='…' node device.mjs",
	},
	{
		Key: "python", Name: "Python", Install: "pip install azure-iot-device", File: "device.py",
		Code: `import os
from azure.iot.device import IoTHubDeviceClient

client = IoTHubDeviceClient.create_from_connection_string(
    os.environ["CONNECTION_STRING"], server_verification_cert=open("ca.pem").read())
client.connect()
client.patch_twin_reported_properties({"firmware": "1.0.0"})
client.send_message('{"temperature": 21.5}')
print("connected, reported, sent")`,
		Run: "CONNECTION_STRING='…' python device.py",
	},
	{
		Key: "csharp", Name: "C#", Install: "dotnet add package Microsoft.Azure.Devices.Client", File: "Program.cs",
		Code: `using System.Text;
using Microsoft.Azure.Devices.Client;
using Microsoft.Azure.Devices.Shared;

var client = DeviceClient.CreateFromConnectionString(
    Environment.GetEnvironmentVariable("CONNECTION_STRING"), TransportType.Mqtt_Tcp_Only);
await client.OpenAsync();
await client.UpdateReportedPropertiesAsync(new TwinCollection { ["firmware"] = "1.0.0" });
await client.SendEventAsync(new Message(Encoding.UTF8.GetBytes("{\"temperature\": 21.5}")));
Console.WriteLine("connected, reported, sent");`,
		Run: "CONNECTION_STRING='…' dotnet run", Note: "This client trusts what the system trusts: put ca.pem into the store of root certificates of the system or the user first.",
	},
	{
		Key: "java", Name: "Java", Install: "Maven: com.microsoft.azure.sdk.iot:iot-device-client", File: "Device.java",
		Code: `import com.microsoft.azure.sdk.iot.device.*;
import java.io.FileInputStream;
import java.security.KeyStore;
import java.security.cert.CertificateFactory;
import javax.net.ssl.*;

public class Device {
  public static void main(String[] args) throws Exception {
    KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
    store.load(null);
    store.setCertificateEntry("hub", CertificateFactory.getInstance("X.509").generateCertificate(new FileInputStream("ca.pem")));
    TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(store);
    SSLContext tls = SSLContext.getInstance("TLSv1.2");
    tls.init(null, trust.getTrustManagers(), null);
    DeviceClient client = new DeviceClient(System.getenv("CONNECTION_STRING"), IotHubClientProtocol.MQTT,
        ClientOptions.builder().sslContext(tls).build());
    client.open(true);
    client.sendEvent(new Message("{\"temperature\": 21.5}"));
    client.close();
  }
}`,
		Run: "CONNECTION_STRING='…' mvn compile exec:java",
	},
	{
		Key: "c", Name: "C", Install: "vcpkg install azure-iot-sdk-c", File: "device.c",
		Code: `#include <stdlib.h>
#include "azure_c_shared_utility/threadapi.h"
#include "azureiot/iothub.h"
#include "azureiot/iothub_device_client.h"
#include "azureiot/iothub_client_options.h"
#include "azureiot/iothubtransportmqtt.h"

extern const char *ca_pem; /* the text of ca.pem */

int main(void) {
    IoTHub_Init();
    IOTHUB_DEVICE_CLIENT_HANDLE client = IoTHubDeviceClient_CreateFromConnectionString(getenv("CONNECTION_STRING"), MQTT_Protocol);
    IoTHubDeviceClient_SetOption(client, OPTION_TRUSTED_CERT, ca_pem);
    IOTHUB_MESSAGE_HANDLE message = IoTHubMessage_CreateFromString("{\"temperature\": 21.5}");
    IoTHubDeviceClient_SendEventAsync(client, message, NULL, NULL);
    ThreadAPI_Sleep(5000);
    IoTHubDeviceClient_Destroy(client);
    IoTHub_Deinit();
}`,
		Run: "CONNECTION_STRING='…' ./device",
	},
	{
		Key: "mosquitto", Name: "mosquitto", File: "a shell",
		Code: `mosquitto_pub -h HOST -p PORT --cafile ca.pem -V mqttv311 -q 1 \
  -i DEVICE -u 'HOST/DEVICE/?api-version=2021-04-12' -P "$TOKEN" \
  -t 'devices/DEVICE/messages/events/' -m '{"temperature": 21.5}'`,
		Note: "TOKEN is a token of the device, which “tvilling device token” makes.",
	},
	{
		Key: "simulate", Name: "Simulated", File: "a shell on the hub's machine",
		Code: "tvilling simulate --count 20",
		Note: "This connects 20 devices of its own, over MQTT as real ones do, each with a simulated agent.",
	},
}

func snippetOf(key string) (snippet, error) {
	if key == "" {
		return snippets[0], nil
	}
	for _, s := range snippets {
		if s.Key == key {
			return s, nil
		}
	}
	return snippet{}, &tvilling.Error{
		Code: tvilling.InvalidArgument, Op: "show how to connect", Path: "sdk",
		Message: fmt.Sprintf("There is no client %q here; choose one of those on the page “Get started”.", key),
	}
}

// filled returns the snippet for a device. An id is a word of a shell that
// means itself, whatever is in it.
func (s snippet) filled(host string, port int, device string) snippet {
	word := device
	if enroll.Word(device) != device {
		// Within the quotes of the code, and outside of them.
		word = strings.ReplaceAll(device, "'", `'\''`)
		s.Code = strings.ReplaceAll(s.Code, "-i DEVICE", "-i "+enroll.Quote(device))
	}
	s.Code = strings.NewReplacer("HOST", host, "PORT", strconv.Itoa(port), "DEVICE", word).Replace(s.Code)
	return s
}
