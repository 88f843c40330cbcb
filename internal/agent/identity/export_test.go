package identity

import (
	"io"
	"time"
)

// Refused is the error of a Config for an answer that is not 200, with a key.
func Refused(status int, date time.Time, body string, now time.Time) error {
	c := Default()
	c.DeviceID = "d"
	return c.refused(answer{status: status, date: date, body: []byte(body)}, proof{key: "k", file: "f"}, now)
}

// ReadAnswer is readAnswer for tests.
func ReadAnswer(r io.Reader) (status int, body []byte, err error) {
	a, err := readAnswer(r)
	return a.status, a.body, err
}

// ParseImport is parseImport for tests.
func ParseImport(b []byte, path string) (Config, error) { return parseImport(b, path) }

// AppendTOML is appendTOML for tests.
func AppendTOML(c Config) []byte { return c.appendTOML(nil) }
