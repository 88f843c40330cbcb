package agentapi

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/tvilling/tvilling"
)

// Platforms are those that there can be programs for.
var Platforms = []string{"linux-amd64", "linux-arm64", "linux-armv7"}

// program is the file name of the agent.
const program = "tvilling-agent"

// programs finds the agent's programs in a folder.
type programs struct {
	folder string

	mu   sync.Mutex
	sums map[string]sum
}

// sum is the SHA-256 of a file as it was.
type sum struct {
	size     int64
	modified time.Time
	hex      string
}

// open opens the program for a platform; a NotFound error says what to do.
func (p *programs) open(platform string) (*os.File, fs.FileInfo, error) {
	names := []string{program + "-" + platform}
	if platform == "linux-"+runtime.GOARCH && runtime.GOOS == "linux" {
		names = append(names, program)
	}
	root, err := os.OpenRoot(p.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("open the folder of agents: %w", err)
	}
	if err == nil {
		defer root.Close()
		for _, name := range names {
			f, info, err := openFile(root, name)
			if !errors.Is(err, fs.ErrNotExist) {
				return f, info, err
			}
		}
	}
	return nil, nil, &tvilling.Error{
		Code: tvilling.NotFound, Op: "give out the agent", Subject: platform,
		Message: fmt.Sprintf("This hub has no agent for %s. Put the file %s into %s.", platform, names[0], p.folder),
	}
}

func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	// Opening a pipe would wait for one who writes to it.
	info, err := root.Stat(name)
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("it is not a regular file")
	}
	if err != nil {
		return nil, nil, fmt.Errorf("open the agent %s: %w", name, err)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, nil, fmt.Errorf("open the agent %s: %w", name, err)
	}
	info, err = f.Stat()
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open the agent %s: %w", name, err), f.Close())
	}
	return f, info, nil
}

// sum returns the SHA-256 of the program for a platform, in hexadecimal digits.
func (p *programs) sum(platform string) (text string, err error) {
	f, info, err := p.open(platform)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sums[platform]; s.hex != "" && s.size == info.Size() && s.modified.Equal(info.ModTime()) {
		return s.hex, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("read the agent for %s: %w", platform, err)
	}
	s := sum{size: info.Size(), modified: info.ModTime(), hex: hex.EncodeToString(h.Sum(nil))}
	p.sums[platform] = s
	return s.hex, nil
}
