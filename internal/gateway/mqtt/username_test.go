package mqtt_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/gateway/mqtt"
)

func TestParseUser(t *testing.T) {
	device := tvilling.Device("dev1")
	module := tvilling.Identity{Device: "dev1", Module: "mod1"}
	tests := []struct {
		name string
		in   string
		want mqtt.User
	}{
		{
			"Node device", "localhost/dev1/?api-version=2021-04-12&DeviceClientType=azure-iot-device%2F1.18.4%20(node%20v20.20.2%3B%20Debian%2012%3B%20x64)",
			mqtt.User{Host: "localhost", ID: device, APIVersion: "2021-04-12", ClientType: "azure-iot-device/1.18.4 (node v20.20.2; Debian 12; x64)"},
		},
		{
			"Node module", "localhost/dev1/mod1/?api-version=2021-04-12&DeviceClientType=x",
			mqtt.User{Host: "localhost", ID: module, APIVersion: "2021-04-12", ClientType: "x"},
		},
		{
			"Python with a model", "h/dev1/?api-version=2020-09-30&model-id=dtmi%3Acom%3Aexample%3ASensor%3B1&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0",
			mqtt.User{Host: "h", ID: device, APIVersion: "2020-09-30", ModelID: "dtmi:com:example:Sensor;1", ClientType: "azure-iot-device-iothub-py/2.14.0"},
		},
		{
			"Go device, no question mark", "localhost/dev1/api-version=2020-09-30",
			mqtt.User{Host: "localhost", ID: device, APIVersion: "2020-09-30"},
		},
		{
			"C agent", "hub.azure-devices.test/dev1/azureiotsecurity/?api-version=2017-11-08-preview&DeviceClientType=iothubclient%2f1.3.4%20(native)",
			mqtt.User{
				Host: "hub.azure-devices.test", ID: tvilling.Identity{Device: "dev1", Module: "azureiotsecurity"},
				APIVersion: "2017-11-08-preview", ClientType: "iothubclient/1.3.4 (native)",
			},
		},
		{
			"old C#, slash for ampersand", "h/dev1/api-version=2017-06-30/DeviceClientType=Microsoft.Azure.Devices.Client%2F1.5",
			mqtt.User{Host: "h", ID: device, APIVersion: "2017-06-30", ClientType: "Microsoft.Azure.Devices.Client/1.5"},
		},
		{"host with a port", "localhost:8883/dev1/?api-version=x", mqtt.User{Host: "localhost:8883", ID: device, APIVersion: "x"}},
		{"no version, device", "h/dev1", mqtt.User{Host: "h", ID: device}},
		{"no version, final slash", "h/dev1/", mqtt.User{Host: "h", ID: device}},
		{"no version, module", "h/dev1/mod1", mqtt.User{Host: "h", ID: module}},
		{"empty properties", "h/dev1/?", mqtt.User{Host: "h", ID: device}},
		{"unknown properties", "h/dev1/?a=b&api-version=1&&c", mqtt.User{Host: "h", ID: device, APIVersion: "1"}},
		{"raw slash in a value", "h/dev1/?DeviceClientType=a/1.2&api-version=1", mqtt.User{Host: "h", ID: device, APIVersion: "1", ClientType: "a/1.2"}},
		{"bad escape is kept", "h/dev1/?DeviceClientType=100%", mqtt.User{Host: "h", ID: device, ClientType: "100%"}},
		{"edge module", "h/dev1/$edgeAgent/?api-version=1", mqtt.User{Host: "h", ID: tvilling.Identity{Device: "dev1", Module: "$edgeAgent"}, APIVersion: "1"}},
		{"ids are not decoded", "h/d%2Fe/?api-version=1", mqtt.User{Host: "h", ID: tvilling.Device("d%2Fe"), APIVersion: "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := mqtt.ParseUser(tt.in)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseUserRefused(t *testing.T) {
	for _, in := range []string{
		"", "h", "h/", "/dev1", "h//", "h//mod1", "h/dev1//?api-version=1", "h/dev1/mod1/extra/?api-version=1",
		"h/dev 1/?api-version=1", "h/dev1/mö/?api-version=1", "h/" + strings.Repeat("d", 129) + "/?api-version=1",
	} {
		if u, err := mqtt.ParseUser(in); tvilling.CodeOf(err) != tvilling.InvalidArgument {
			t.Errorf("ParseUser(%q) = %+v, %v; want InvalidArgument", in, u, err)
		}
	}
}

func FuzzParseUser(f *testing.F) {
	f.Add("localhost/dev1/mod1/?api-version=2021-04-12&DeviceClientType=a%2F1")
	f.Add("h/dev1/api-version=2017-06-30/DeviceClientType=x")
	f.Add("h/dev1")
	f.Fuzz(func(t *testing.T, s string) {
		u, err := mqtt.ParseUser(s)
		if err != nil {
			return
		}
		if err := u.ID.Check(); err != nil {
			t.Errorf("ParseUser(%q) gave the identity %q: %v", s, u.ID, err)
		}
		if !strings.HasPrefix(s, u.Host+"/"+u.ID.String()) {
			t.Errorf("ParseUser(%q) gave host %q and identity %q", s, u.Host, u.ID)
		}
	})
}
