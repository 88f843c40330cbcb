package baseline

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"github.com/tvilling/tvilling"
)

// CustomDir is where files of custom checks are, unless the agent is told
// otherwise.
const CustomDir = "/etc/tvilling-agent/checks"

// LoadCustom reads the custom checks of a file in TOML, or in the XML of the
// original agent. What a twin says is not trusted: file, an absolute path, must
// be below dir, without links on the way; the file and the directories from
// dir on must belong to root, and nobody else may write to them; and the
// SHA-256 of the bytes that are parsed must be sum, 64 hexadecimal digits.
// Errors are *[tvilling.Error] and say what to do.
func LoadCustom(dir, file, sum string) ([]Check, error) {
	text, err := readCustom(dir, file, sum)
	if err != nil {
		return nil, err
	}
	return ParseCustom(file, text)
}

// ParseCustom reads custom checks in TOML, or in the XML of the original agent;
// name is that of the file, for errors. Errors are *[tvilling.Error] and name
// the line.
func ParseCustom(name string, text []byte) ([]Check, error) {
	name = clean(name, 200)
	parse := ParseTOML
	if bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(text, []byte("\ufeff")), " \t\r\n"), []byte("<")) {
		parse = ParseXML
	}
	checks, err := parse(name, text)
	if err != nil {
		return nil, err
	}
	for i := range checks {
		if strings.HasPrefix(checks[i].ID, "TV-") {
			return nil, refuse(name, 0, fmt.Errorf("id %q: ids that begin with TV- are the agent's own; take another", checks[i].ID))
		}
	}
	return checks, nil
}

// readCustom returns what is in a file of custom checks, if it may be trusted.
func readCustom(dir, file, sum string) ([]byte, error) {
	no := func(code tvilling.Code, format string, args ...any) error {
		e := tvilling.Errorf(code, format, args...)
		e.Op, e.Subject = "read custom checks", clean(file, 200)
		return e
	}
	want, err := hex.DecodeString(sum)
	if err != nil || len(want) != sha256.Size {
		return nil, no(tvilling.InvalidArgument, "the hash must be a SHA-256, 64 hexadecimal digits")
	}
	name, below := strings.CutPrefix(path.Clean(file), path.Clean(dir)+"/")
	if !below || !path.IsAbs(file) || strings.ContainsRune(file, 0) {
		return nil, no(tvilling.InvalidArgument, "the file must be below %s; put it there", dir)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, no(tvilling.NotFound, "the folder of custom checks cannot be opened: %w", err)
	}
	defer func() { _ = root.Close() }()
	at := "."
	for part := range strings.SplitSeq(name, "/") {
		info, err := root.Lstat(at)
		if err != nil {
			return nil, no(tvilling.NotFound, "the file is not there: %w", err)
		}
		if !info.IsDir() {
			return nil, no(tvilling.InvalidArgument, "%s is not a directory; links are not followed", path.Join(dir, at))
		}
		if err := trusted(info); err != nil {
			return nil, no(tvilling.InvalidArgument, "%s %w", path.Join(dir, at), err)
		}
		at = path.Join(at, part)
	}
	text, err := readTrusted(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, no(tvilling.NotFound, "the file is not there; put it on the device, or correct baselineCustomChecksFilePath")
	}
	if err != nil {
		return nil, no(tvilling.InvalidArgument, "the file %w", err)
	}
	if got := sha256.Sum256(text); subtle.ConstantTimeCompare(got[:], want) != 1 {
		return nil, no(tvilling.InvalidArgument, "the file has another SHA-256 than baselineCustomChecksFileHash; correct one of the two")
	}
	return text, nil
}

// trusted says why what is in a file or directory may be somebody else's, as
// the end of a sentence that begins with its name.
func trusted(info fs.FileInfo) error {
	const othersWrite = 0o022
	uid, _, _, mode := ownerOf(info)
	if uid != 0 {
		return fmt.Errorf("belongs to user %d; chown it to root", uid)
	}
	if mode&othersWrite != 0 {
		return fmt.Errorf("can be written by others (mode %04o); chmod it to at most 0755", mode)
	}
	return nil
}

// readTrusted reads a file without following a link at its end.
func readTrusted(root *os.Root, name string) ([]byte, error) {
	before, err := root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, errors.New("is not a regular file; links are not followed")
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("cannot be opened: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if !os.SameFile(before, info) {
		return nil, errors.New("was exchanged while it was opened; try again")
	}
	if err := trusted(info); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, fmt.Errorf("cannot be read: %w", err)
	}
	if len(text) > maxFile {
		return nil, errors.New("is larger than 1 MiB; split it")
	}
	return text, nil
}
