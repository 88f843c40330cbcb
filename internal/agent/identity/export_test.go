package identity

import "io"

// ReadAnswer is readAnswer for tests.
func ReadAnswer(r io.Reader) (status int, body []byte, err error) {
	a, err := readAnswer(r)
	return a.status, a.body, err
}

// ParseImport is parseImport for tests.
func ParseImport(b []byte, path string) (Config, error) { return parseImport(b, path) }

// AppendTOML is appendTOML for tests.
func AppendTOML(c Config) []byte { return c.appendTOML(nil) }
