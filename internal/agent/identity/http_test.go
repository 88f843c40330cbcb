package identity_test

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tvilling/tvilling"
	"github.com/tvilling/tvilling/internal/agent/identity"
)

func TestReadAnswer(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		status     int
		body       string
	}{
		{"length", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabcd", 200, "ab"},
		{"until the end", "HTTP/1.1 404 Not Found\r\nServer: x\r\n\r\nabcd", 404, "abcd"},
		{"no reason", "HTTP/1.0 500\r\n\r\n", 500, ""},
		{"chunks", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n3;x=y\r\nabc\r\n01 \r\nd\r\n0\r\n\r\n", 200, "abcd"},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, "x"},
		{"no content", "HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204, ""},
	} {
		status, body, err := identity.ReadAnswer(strings.NewReader(tt.text))
		if err != nil || status != tt.status || string(body) != tt.body {
			t.Errorf("%s: %d %q (%v), want %d %q", tt.name, status, body, err, tt.status, tt.body)
		}
	}
	for name, text := range map[string]string{
		"nothing":         "",
		"not HTTP":        "SSH-2.0-OpenSSH\r\n",
		"half a head":     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n",
		"half a body":     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
		"half a chunk":    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
		"no last chunk":   "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		"long chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
		"two lengths":     "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na",
		"length and so":   "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
		"compressed":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
		"negative length": "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"huge":            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
		"huge to the end": "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 70<<10),
		"huge chunk":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n",
		"long line":       "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 5000) + "\r\n\r\n",
		"many lines":      "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 200) + "\r\n",
		"bare line feed":  "HTTP/1.1 200 OK\n\n",
	} {
		if status, body, err := identity.ReadAnswer(strings.NewReader(text)); err == nil {
			t.Errorf("%s: %d %q, want an error", name, status, body)
		}
	}
}

func TestRefused(t *testing.T) {
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		status int
		date   time.Time
		body   string
		code   tvilling.Code
		want   string
	}{
		{401, now, `{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized"}`, tvilling.Unauthorized, "IotHubUnauthorizedAccess"},
		{401, now.Add(3 * time.Hour), ``, tvilling.Unauthorized, "clock is -3h0m0s from the hub's: check the clock"},
		{403, time.Time{}, `{"message":"hideModuleKeys"}`, tvilling.Unauthorized, "hideModuleKeys"},
		{404, now, `not JSON`, tvilling.ModuleNotFound, "tvilling module create d/azureiotsecurity"},
		{429, now, ``, tvilling.Unavailable, "429"},
		{302, now, "{\"message\":\"a\\u001b[2Jb\"}", tvilling.Unavailable, "a [2Jb"},
		{500, now, `{"message":"` + strings.Repeat("x", 1000) + `"}`, tvilling.Unavailable, strings.Repeat("x", 300) + "…"},
	} {
		err := identity.Refused(tt.status, tt.date, tt.body, now)
		if tvilling.CodeOf(err) != tt.code || !strings.Contains(err.Error(), tt.want) || len(err.Error()) > 1000 {
			t.Errorf("status %d: %v, want %s with %q", tt.status, err, tt.code, tt.want)
		}
		if tt.date.Equal(now) && strings.Contains(err.Error(), "clock") {
			t.Errorf("status %d: %v, but the clock is right", tt.status, err)
		}
	}
}

// FuzzReadAnswer: an answer that is taken is one that net/http takes for the same.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nDate: Sat, 28 Nov 2026 17:00:00 GMT\r\n\r\nab"))
	f.Add([]byte("HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 401 Unauthorized\r\n\r\nx"))
	f.Fuzz(func(t *testing.T, b []byte) {
		status, body, err := identity.ReadAnswer(bytes.NewReader(b))
		if err != nil {
			return
		}
		r := bufio.NewReader(bytes.NewReader(b))
		for {
			theirs, err := http.ReadResponse(r, &http.Request{Method: http.MethodGet})
			if err != nil {
				return // stricter than we are about names of fields
			}
			if theirs.StatusCode < 200 && status != theirs.StatusCode {
				continue
			}
			want, err := io.ReadAll(theirs.Body)
			if closed := theirs.Body.Close(); closed != nil {
				t.Fatal(closed)
			}
			if err != nil {
				return // about trailers
			}
			if theirs.StatusCode != status || !bytes.Equal(body, want) {
				t.Fatalf("%d %q, net/http has %d %q", status, body, theirs.StatusCode, want)
			}
			return
		}
	})
}
